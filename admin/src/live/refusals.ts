'use client'
import { create } from '@bufbuild/protobuf'
import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { useQuery } from '@connectrpc/connect-query'
import { ListRefusalsResponseSchema, LogService, type Refusal } from '@pbt/proto/admin/v1'
import { useEffect, useRef } from 'react'
import { useLive } from './live'
import type { Live } from './state'

/** Counts of those that are known grow without an event, so they are asked for again, milliseconds. */
const AGAIN_MS = 10_000
const NONE: readonly Refusal[] = []

/** Those since then that the server remembers; `startTime` has to be the same object each time. */
export function useRefusalsSince(startTime: Timestamp): readonly Refusal[] {
  const newest = useLive(newestOf) ?? 0n
  const { data, refetch } = useQuery(LogService.method.listRefusals, { startTime }, { refetchInterval: AGAIN_MS })
  useAgain(newest, refetch)
  return data?.refusals ?? NONE
}

/** Those of the last hour: what the stream told first, asked for again when another one is turned away. */
export function useRefusals(): readonly Refusal[] {
  const first = useLive(live => live.refusals) ?? []
  const newest = useLive(newestOf) ?? 0n
  const { data, refetch } = useQuery(
    LogService.method.listRefusals,
    {},
    {
      refetchInterval: AGAIN_MS,
      // A page that was just loaded has them from the stream, and does not ask.
      initialData: () => create(ListRefusalsResponseSchema, { refusals: [...first] }),
      initialDataUpdatedAt: performance.timeOrigin,
      staleTime: AGAIN_MS,
    },
  )
  useAgain(newest, refetch)
  return data?.refusals ?? first
}

const newestOf = (live: Live) => live.events.find(({ kind }) => kind.endsWith('refused'))?.number

function useAgain(newest: bigint, refetch: () => void): void {
  const asked = useRef(newest)
  useEffect(() => {
    if (newest === asked.current) return
    asked.current = newest
    refetch()
  }, [newest, refetch])
}
