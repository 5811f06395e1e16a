// Who a process is for the server, over restarts of the same command and whatever tunnels come and go meanwhile.
import { createHash } from 'node:crypto'
import { PROTOCOL_MAJOR, PROTOCOL_MINOR } from '@pbt/proto'
import { Feature } from '@pbt/proto/tunnel/v1'
import type { HelloInit } from '../session/dial.ts'
import type { TunnelPlan } from '../session/session.ts'

/** Who this process is for the server; `proto/README.md` says what each is for. */
export interface Identity {
  readonly agent: string
  readonly machineId: string
  readonly clientId: string
  readonly generation: number
  readonly label: string
}

/** How it introduces itself. `keepsEnded`: tunnels that the owner ends are kept. `resume`: of the session that is to go on. */
export function helloOf(identity: Identity, keepsEnded: boolean, resume: HelloInit['resume']): HelloInit {
  return {
    major: PROTOCOL_MAJOR,
    minor: PROTOCOL_MINOR,
    ...identity,
    generation: BigInt(identity.generation),
    resume,
    features: [
      ...[Feature.OWNER_ASKED, Feature.TOKEN_TAKEN, Feature.LOOK_OUTSIDE],
      ...(keepsEnded ? [Feature.START_TUNNEL] : []),
    ],
  }
}

/** What makes a restart of a command the same command. */
export type Purpose =
  /** A command that names its tunnels. */
  | { readonly kind: 'tunnels'; readonly tunnels: readonly Served[] }
  /** A command that reads its tunnels from a file, by the file's real path. */
  | { readonly kind: 'file'; readonly path: string }
  /** The one process of a home that keeps tunnels up. */
  | { readonly kind: 'daemon' }

/** What tells the tunnels of one command from those of another. */
export type Served = Pick<TunnelPlan, 'kind' | 'name' | 'target' | 'domains' | 'port'>

/**
 * The client's id: a later process with the same id takes over from an earlier one at once, and those with different ids live
 * side by side. Decided when the process starts; tunnels that are added or taken away do not change it.
 */
export function clientIdOf(machineId: string, purpose: Purpose): string {
  switch (purpose.kind) {
    case 'tunnels':
      return `${machineId}.${digest(purpose.tunnels.map(served).sort())}`
    case 'file':
      return `${machineId}.file.${digest(purpose.path)}`
    case 'daemon':
      return `${machineId}.daemon`
  }
}

/** In whatever order the options came. */
function served({ kind, name, target, domains, port }: Served): string {
  return JSON.stringify({ kind, name, target, domains: [...domains].sort(), port })
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 12)
}
