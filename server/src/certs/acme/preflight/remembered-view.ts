// What the CA says of itself, asked seldom: looks at DNS are made every few seconds, and are no reason to ask it each time.
import type { Clock } from '@pbt/proto'
import type { CaView } from './clock.ts'

const GOOD_MS = 3_600_000
/** It did not answer: again then. */
const FAILED_MS = 60_000

type Ask = (signal: AbortSignal) => Promise<CaView | undefined>

/** As `ask`, at most once in an hour, or in a minute while it does not answer; the CA's time goes on meanwhile. */
export function rememberedView(ask: Ask, clock: Pick<Clock, 'now'>): Ask {
  let known: { readonly at: number; readonly view: CaView | undefined } | undefined
  return async signal => {
    const age = known === undefined ? Number.POSITIVE_INFINITY : clock.now() - known.at
    if (known === undefined || age > (known.view === undefined ? FAILED_MS : GOOD_MS)) {
      known = { at: clock.now(), view: await ask(signal) }
      return known.view
    }
    const { view } = known
    return view?.date === undefined ? view : { ...view, date: new Date(view.date.getTime() + age) }
  }
}
