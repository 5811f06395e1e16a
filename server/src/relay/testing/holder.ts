// A tunnel as addresses see it: no visitor reaches it.
import type { Holder } from '../book.ts'

const notAskedFor = () => {
  throw new Error('not asked for')
}

/** Of the machine `machine`; whoever `yields` gives its addresses to anybody. */
export function holderOf(kind: string, target: string, yields = true): Holder {
  return {
    name: target,
    isNearlyFull: false,
    isPaused: false,
    client: { id: 'client', label: 'machine' },
    isShort: false,
    idleTimeoutMs: 0,
    replyFactor: undefined,
    affinity: { machineId: 'machine', kind, target },
    allow: [],
    isAttached: true,
    description: `target ${target}`,
    allows: () => true,
    open: notAskedFor,
    connect: notAskedFor,
    noteShort: () => {},
    yieldsTo: () => yields,
    addresses: [],
    gain: () => {},
    lose: () => {},
    rename: () => {},
    end: () => {},
  }
}
