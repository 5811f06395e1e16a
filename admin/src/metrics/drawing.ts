'use client'
// Charts within a card, for pages whose first load has no room for the library that draws: it comes while the page asks what to draw.
import { useEffect, useState } from 'react'
import type { InnerChart } from './chart'

export type ChartOfCard = typeof InnerChart

let known: ChartOfCard | undefined
const loading = import('./chart').then(module => {
  known = module.InnerChart
})
// Told where it is missed.
loading.catch(() => {})

/**
 * Undefined until it is there; throws while rendering when it can't be loaded. Not React's `lazy`: what that has waited for is
 * shown a third of a second later than it could be.
 */
export function useInnerChart(): ChartOfCard | undefined {
  const [chart, setChart] = useState(() => known)
  useEffect(() => {
    if (chart !== undefined) return
    let isGone = false
    const set = (next: () => typeof known) => !isGone && setChart(next)
    const fail = (error: unknown) => {
      throw error
    }
    loading.then(
      () => set(() => known),
      error => set(() => fail(error)),
    )
    return () => {
      isGone = true
    }
  }, [chart])
  return chart
}
