'use client'
// What the owner does with a tunnel, and what is said of it; undone where the API can.
import { useMemo } from 'react'
import { useAct } from '../components/toast'
import { tunnels } from '../live/services'
import { readable } from '../words/idn'

export interface TunnelActs {
  readonly busy: string | false
  pause(name: string): void
  resume(name: string): void
  start(name: string): void
}

/** The same object as long as nothing is under way. */
export function useTunnelActs(): TunnelActs {
  const { busy, run } = useAct()
  return useMemo(() => actsWith(busy, run), [busy, run])
}

function actsWith(busy: string | false, run: ReturnType<typeof useAct>['run']): TunnelActs {
  const resume = (name: string) =>
    run(
      'Resuming',
      () => tunnels.resumeTunnel({ name }),
      () => ({ text: `${readable(name)} lets visitors in again`, undo: { word: 'Pause', run: () => pause(name) } }),
    )
  const pause = (name: string) =>
    run(
      'Pausing',
      () => tunnels.pauseTunnel({ name }),
      () => ({
        text: `${readable(name)} is paused: visitors are turned away`,
        undo: { word: 'Undo', run: () => resume(name) },
      }),
    )
  const start = (name: string) =>
    run(
      'Starting',
      () => tunnels.startTunnel({ name }),
      ({ isOpening }) => ({
        text: isOpening
          ? `${readable(name)} starts again`
          : `${readable(name)} may start again: run its command on its machine`,
      }),
    )
  return { busy, pause, resume, start }
}
