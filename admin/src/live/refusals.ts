'use client'
import { useQuery } from '@connectrpc/connect-query'
import { LogService, type Refusal } from '@pbt/proto/admin/v1'
import { useEffect, useRef } from 'react'
import { useLive } from './live'

/** Counts of those that are known grow without an event, so they are asked for again, milliseconds. */
const AGAIN_MS = 10_000

/** Those of the last hour: what the stream told first, asked for again when another one is turned away. */
export function useRefusals(): readonly Refusal[] {
  const first = useLive(live => live.refusals) ?? []
  const newest = useLive(live => live.events.find(({ kind }) => kind.endsWith('refused'))?.number) ?? 0n
  const { data, refetch } = useQuery(LogService.method.listRefusals, {}, { refetchInterval: AGAIN_MS })
  const asked = useRef(newest)
  useEffect(() => {
    if (newest === asked.current) return
    asked.current = newest
    refetch()
  }, [newest, refetch])
  return data?.refusals ?? first
}
