// A tunnel as names and ports see it: no visitor reaches it.
import type { Holder } from '../book.ts'

const notAskedFor = () => {
  throw new Error('not asked for')
}

/** Of the machine `machine`; whoever `yields` gives its addresses to anybody. */
export function holderOf(kind: string, target: string, yields = true): Holder {
  return {
    name: target,
    idleTimeoutMs: 0,
    replyFactor: undefined,
    owner: { machineId: 'machine', kind, target },
    description: `target ${target}`,
    allows: () => true,
    open: notAskedFor,
    connect: notAskedFor,
    yieldsTo: () => yields,
    gain: () => {},
    lose: () => {},
  }
}
