// Charts within a card, for pages whose first load has no room for the library that draws: it comes while the page asks what to draw.
import { type Kept, useLoaded } from '../components/loaded'
import type { InnerChart } from './chart'

export type ChartOfCard = typeof InnerChart

const CHART: Kept<ChartOfCard> = {}
const loading = import('./chart').then(module => module.InnerChart)
// Told where it is missed.
loading.catch(() => {})
const load = () => loading

/** Undefined until it is there; throws while rendering when it cannot be loaded. */
export function useInnerChart(): ChartOfCard | undefined {
  return useLoaded(true, CHART, load)
}
