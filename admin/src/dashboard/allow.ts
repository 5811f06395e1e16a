'use client'
// Lets a visitor in who was turned away: for hours, or for good; undone by taking the block off again.
import { useQueryClient } from '@tanstack/react-query'
import { useAct, useSay } from '../components/toast'
import { addresses } from '../live/services'
import { moment } from '../words/time'

const HOUR_S = 3_600

/** `done`: called when it is in force. */
export function useAllow(done = () => {}): {
  readonly busy: string | false
  allow(address: string, block: string, hours: number): void
} {
  const { busy, run } = useAct()
  const say = useSay()
  const queries = useQueryClient()
  const again = () => queries.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] === 'connect-query' })
  const remove = (address: string, block: string) =>
    addresses.removePeer({ address, block }).then(
      () => say({ text: `${block} is off the list of ${address} again` }),
      () => say({ text: `${block} could not be taken off the list of ${address}` }),
    )
  const allow = (address: string, block: string, hours: number) =>
    run(
      'Allowing',
      () =>
        addresses.allowPeer({ address, block, ...(hours > 0 && { duration: { seconds: BigInt(hours * HOUR_S) } }) }),
      ({ isAdded }) => {
        again()
        done()
        if (!isAdded) return { text: `Everybody may come to ${address} already` }
        const until = hours > 0 ? ` until ${moment(Date.now() + hours * HOUR_S * 1_000)}` : ''
        return {
          text: `${address} lets ${block} in${until}`,
          undo: { word: 'Undo', run: () => remove(address, block) },
        }
      },
    )
  return { busy, allow }
}
