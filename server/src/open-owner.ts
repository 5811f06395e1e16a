// Where the owner meets a running server: the verbs over its parts, what makes their changes felt, and the API.
import { setImmediate as eventLoopTurn } from 'node:timers/promises'
import { bareAddress } from '@pbt/proto'
import { TokenCheck } from './access/token-check.ts'
import { type OpenApi, openApi } from './api/open.ts'
import type { Settings } from './config/config.ts'
import type { Edge } from './edge/edge.ts'
import { logRefused } from './observe/refused-line.ts'
import type { TunnelFigures } from './observe/tunnel-figures.ts'
import { Changes } from './owner/changes.ts'
import { allowlistEnded } from './owner/happenings.ts'
import type { Owner } from './owner/owner.ts'
import type { OnEnd, Parts } from './parts.ts'
import type { Succession } from './process/successor.ts'
import type { Relay } from './relay/open.ts'
import { verbsOver } from './verbs.ts'

/** What the owner's verbs work on. */
export interface OwnerParts extends Parts {
  readonly settings: Settings
  readonly relay: Relay
  readonly figures: TunnelFigures
  readonly edge: Edge
  readonly standIn: { readonly succession?: Succession }
}

/** The owner's verbs, what makes their changes felt, and the API. */
export async function openOwner(
  parts: OwnerParts,
  onEnd: OnEnd,
): Promise<{ owner: Owner; admin: OpenApi; changes: Changes }> {
  const { config, settings, kept, arrivals, keyring, acme, tokens, relay, figures, edge, standIn, clock, log } = parts
  const { store, access, records, turnedAway, events, refusals } = kept
  const adminTokens = new TokenCheck(tokens, clock)
  const tellRefused = (what: 'token' | 'login', address: string) => {
    const peer = bareAddress(address)
    logRefused(log, what, peer)
    turnedAway.note(peer, '', `${what}-refused`)
    refusals.refused({ peer, tunnel: '', rule: `${what}-refused` })
  }
  const owner = verbsOver({
    settings: { ...settings, config },
    store,
    records,
    tokens,
    check: adminTokens,
    loginRefused: ({ address }) => tellRefused('login', address),
    onError: error => log.error('could not save when a panel session was last used', { error: String(error) }),
    changed: () => changes.now(),
    tell: events.tell,
    checks: acme?.checks,
    certificateWanted: address => acme?.wanted(address),
    clock,
    running: {
      ...{ relay, figures, access, log: { records: access, refusals: turnedAway }, events, keyring },
      ports: () => edge.ports,
      listens: (protocol, number) => arrivals.listeners.isListening(protocol, number),
      hasStandIn: () => standIn.succession?.hasSuccessor() === true,
      panelBuild: () => admin.panelBuild(),
      startedAt: new Date(),
    },
  })
  const changes = await watchChanges(parts, owner)
  onEnd(() => changes.end())
  const admin = await openApi({
    config,
    owner,
    events,
    tokens: adminTokens,
    proxies: arrivals.proxies,
    refusedToken: address => tellRefused('token', address),
    ports: () => [edge.ports.https, config.publicHttpsPort].filter(port => port !== 0),
    log: log.child({ room: 'api' }),
  })
  onEnd(admin.end)
  return { owner, admin, changes }
}

async function watchChanges({ kept, tokens, relay, acme, clock, log }: OwnerParts, owner: Owner): Promise<Changes> {
  const { store, events } = kept
  return await Changes.watch({
    version: () => store.version(),
    read: async () => {
      // Questions to the database that are awaited one after the other never let the event loop turn: visitors have theirs in between.
      await eventLoopTurn()
      await owner.panel.load()
      relay.sessions.keepTokens(tokens)
      await eventLoopTurn()
      await relay.reload()
      await eventLoopTurn()
      await acme?.load()
      await eventLoopTurn()
      for (const { address, block } of await store.addresses.takeEnded()) events.tell(allowlistEnded(address, block))
      await events.look()
      await eventLoopTurn()
    },
    nextEnd: async () => earliest(await store.addresses.nextEnd(), await store.tokens.nextEnd()),
    onError: error => log.error('cannot read changes in the database', { error: String(error) }),
    clock,
  })
}

function earliest(one: Date | undefined, other: Date | undefined): Date | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return one < other ? one : other
}
