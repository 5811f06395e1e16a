'use client'
// What the owner does with a tunnel, and what is said of it; undone where the API can.
import { useMemo } from 'react'
import { useAct } from '../components/toast'
import { tunnels } from '../live/services'
import { readable } from '../words/idn'
import { counted } from '../words/time'
import { commandOf } from '../words/tunnel'

export interface TunnelActs {
  readonly busy: string | false
  pause(name: string): void
  /** `done`: called when visitors are let in again. */
  resume(name: string, done?: () => void): void
  /** `done`: called when it may start, or has started. */
  start(name: string, done?: () => void): void
}

/** The same object as long as nothing is under way. */
export function useTunnelActs(): TunnelActs {
  const { busy, run } = useAct()
  return useMemo(() => actsWith(busy, run), [busy, run])
}

function actsWith(busy: string | false, run: ReturnType<typeof useAct>['run']): TunnelActs {
  const resume = (name: string, done = () => {}) =>
    run(
      'Resuming',
      () => tunnels.resumeTunnel({ name }),
      () => {
        done()
        return { text: `${readable(name)} lets visitors in again`, undo: { word: 'Pause', run: () => pause(name) } }
      },
    )
  const pause = (name: string) =>
    run(
      'Pausing',
      () => tunnels.pauseTunnel({ name }),
      ({ tunnel }) => ({
        text: pausedText(readable(name), tunnel?.openConnections ?? 0),
        undo: { word: 'Undo', run: () => resume(name) },
      }),
    )
  const start = (name: string, done = () => {}) =>
    run(
      'Starting',
      () => tunnels.startTunnel({ name }),
      ({ isOpening, tunnel }) => {
        done()
        return {
          text:
            isOpening || tunnel === undefined
              ? `${readable(name)} starts again`
              : `${readable(name)} may start again. Run on ${tunnel.clientLabel || 'its machine'}: ${commandOf(tunnel)}`,
        }
      },
    )
  return { busy, pause, resume, start }
}

/** Those who are in stay: only Kill cuts them. */
function pausedText(name: string, open: number): string {
  if (open === 0) return `${name} is paused: visitors are turned away`
  return `${name} is paused: new visitors are turned away; ${counted(open, 'connection')} that ${open === 1 ? 'is' : 'are'} open ${open === 1 ? 'goes' : 'go'} on`
}
