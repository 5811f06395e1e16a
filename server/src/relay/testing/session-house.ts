// Sessions of a server in one process, with the client's end of each, in virtual time.
import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { codeOf, type Link, Mux, type SessionFrame } from '@pbt/proto'
import { FakeClock } from '@pbt/proto/testing'
import { CloseTunnelSchema, HelloSchema, OpenTunnelSchema, TunnelKind } from '@pbt/proto/tunnel/v1'
import type { Log } from '../../observe/log.ts'
import { Addresses, type StoredAddress } from '../addresses.ts'
import { Allowlists, type StoredAllowlist } from '../allowlists.ts'
import type { TunnelRecord } from '../book.ts'
import { NO_NEWS, type RelayNews } from '../news.ts'
import { Registry } from '../registry.ts'
import { Session, type SessionContext, type SessionLink } from '../session.ts'
import { Steering } from '../steering.ts'

/** A house for sessions whose names are remembered when `disk.written` resolves. */
export function house() {
  const clock = new FakeClock()
  const registry = new Registry(clock)
  const { log, errors, warnings } = notedLog()
  const { store, disk, kept, lists, offline } = memory()
  const { steering, steered } = steeringInMemory()
  const addresses = new Addresses({ baseDomain: 'localhost', steering, registry, store, ...NO_PORTS, log })
  const allowlists = new Allowlists({ store, baseDomain: 'localhost', log })
  /** Hosts that no certificate covers. */
  const certificates = { without: new Set<string>() }
  const ended: Session[] = []
  const news: string[] = []
  const context: SessionContext = {
    ...{ clock, log, addresses, allowlists, steering, ended: session => ended.push(session) },
    keyring: {
      contextFor: () => undefined,
      unnamed: undefined,
      covers: (_serverName, host) => !certificates.without.has(host),
    },
    certificates: undefined,
    urlOf: address => `https://${address.key}`,
    news: noting(news),
    letIn: async ({ address, block }) => {
      news.push(`let-in ${address} ${block}`)
      return true
    },
  }
  return {
    ...{ clock, registry, certificates, kept, disk, steered, news, offline, ended, warnings, errors },
    ...ownersActs({ addresses, allowlists, steering, steered, lists }),
    state: (host = 'app.localhost') => registry.lookup(host).state,
    join: (hello: MessageInitShape<typeof HelloSchema> = {}) => client(context, clock, hello),
  }
}

/** Sessions of these tests have no ports. */
const NO_PORTS = {
  range: { first: 1, last: 0 },
  ephemeral: undefined,
  listeners: { listen: () => Promise.reject(new Error('no ports')), unlisten: () => {} },
  isOwn: () => false,
}

function notedLog() {
  const errors: string[] = []
  const warnings: string[] = []
  const log: Log = {
    error: text => errors.push(text),
    warn: text => warnings.push(text),
    info: () => {},
    debug: () => {},
    child: () => log,
  }
  return { log, errors, warnings }
}

/** What a server remembers, and when it is written. */
function memory() {
  const disk = { written: Promise.resolve() }
  const lists: StoredAllowlist[] = []
  /** What is remembered of addresses. */
  const kept = new Map<string, StoredAddress>()
  const offline: string[] = []
  const store = {
    load: () => Promise.resolve([...kept.values()]),
    claim: async (tunnel: TunnelRecord, addresses: readonly string[]) => {
      await disk.written
      const { machineId, target, kind, name } = tunnel
      for (const address of addresses) {
        const isMapped = kept.get(address)?.isMapped === true
        const row = { address, tunnel: name, affinity: { machineId, target, kind }, isMapped, isExpected: true }
        kept.set(address, row)
      }
    },
    setUnexpected: (addresses: readonly string[]) => {
      offline.push(...addresses)
      return Promise.resolve()
    },
    allowlists: () => Promise.resolve([...lists]),
  }
  return { store, disk, kept, lists, offline }
}

/** What the owner has said of tunnels, by their names. */
interface Steered {
  paused: string[]
  killed: string[]
}

function steeringInMemory() {
  const steered: Steered = { paused: [], killed: [] }
  const steering = new Steering({
    steered: async () => structuredClone(steered),
    lift: async name => {
      steered.killed = steered.killed.filter(each => each !== name)
    },
  })
  return { steering, steered }
}

interface Changed {
  readonly addresses: Addresses
  readonly allowlists: Allowlists
  readonly steering: Steering
  readonly steered: Steered
  readonly lists: StoredAllowlist[]
}

/** What a running server does when the owner has changed something. */
function ownersActs({ addresses, allowlists, steering, steered, lists }: Changed) {
  return {
    steer: async (change: Partial<Steered>, ...sessions: Session[]) => {
      Object.assign(steered, change)
      await steering.load()
      addresses.endAwaited()
      for (const session of sessions) session.tunnels.endKilled()
    },
    /** Sets the list of an address, or takes it away, as `pbt-server allow` does. */
    allow: async (address: string, list: string[] | 'everybody' | undefined, ...sessions: Session[]) => {
      const others = lists.filter(list => list.address !== address)
      const access = list === 'everybody' ? list : 'listed'
      const blocks = typeof list === 'string' ? [] : list
      lists.splice(0, lists.length, ...others, ...(blocks === undefined ? [] : [{ address, access, blocks } as const]))
      await allowlists.load()
      for (const session of sessions) session.tunnels.judgeAgain()
    },
    /** An address was changed. */
    reload: () => addresses.reload(),
  }
}

/** A session and the client's end of it. */
function client(context: SessionContext, clock: FakeClock, more: MessageInitShape<typeof HelloSchema>) {
  const hello = create(HelloSchema, { major: 1, clientId: 'c', machineId: 'm', generation: 1n, ...more })
  const session = new Session(context, hello, 1)
  const heard: SessionFrame[] = []
  const goAways: string[] = []
  const mux = new Mux({
    role: 'client',
    clock,
    handler: {
      onOpen: channel => {
        channel.handler = { onReset: () => {} }
      },
      onSessionFrame: frame => heard.push(frame),
      onGoAway: ({ code }) => goAways.push(code),
      onLinkSilent: () => {},
      onViolation: error => assert.fail(error),
    },
  })
  const line = { isBroken: false, drops: 0 }
  const write =
    (to: Mux): Link['write'] =>
    (batch, taken) => {
      const copy = Buffer.alloc(batch.length)
      batch.copy(copy, 0)
      clock.soon(() => {
        taken()
        if (!line.isBroken) to.receive(copy)
      })
    }
  const connect = (): SessionLink => {
    const link = { write: write(mux), address: '192.0.2.1', close: () => {}, drop: () => line.drops++ }
    const [serverHas, clientHas] = [session.mux.received, mux.received]
    session.attach(link, clientHas)
    mux.attach({ write: write(session.mux), close: () => {} }, serverHas)
    return link
  }
  /** Lets everything happen that needs no time. */
  const settle = async () => {
    for (let round = 0; round < 5; round++) {
      clock.settle()
      await turn()
    }
  }
  const say = async (frame: SessionFrame) => {
    mux.sendSessionFrame(frame)
    await settle()
  }
  const open = (tunnel: number, overrides: MessageInitShape<typeof OpenTunnelSchema> = {}) => {
    const wish = { tunnel, kind: TunnelKind.HTTP, domains: ['app'], target: '3000', ...overrides }
    return say({ case: 'openTunnel', value: create(OpenTunnelSchema, wish) })
  }
  const closeTunnel = (tunnel: number) => say({ case: 'closeTunnel', value: create(CloseTunnelSchema, { tunnel }) })
  /** The codes with which tunnels were refused or closed, and the cures. */
  const refusals = () =>
    heard.flatMap(({ case: name, value }) =>
      name === 'tunnelRefused' ? [{ code: codeOf(value.reason), cure: value.cure }] : [],
    )
  return { session, mux, heard, goAways, line, connect, settle, say, open, closeTunnel, refusals }
}

/** What is told, each as its name and what matters of it. */
function noting(news: string[]): RelayNews {
  const note = (...parts: unknown[]) => void news.push(parts.join(' '))
  return {
    ...NO_NEWS,
    clientConnected: ({ address }) => note('connected', address),
    clientLost: (_, why, open) => note('lost', open, why),
    clientResumed: (_, { awayMs, wentOn, lost }) => note('resumed', awayMs, wentOn, lost),
    clientGone: (_, { code }, open) => note('gone', code, open),
    tunnelOnline: (_, { name }) => note('online', name),
    tunnelOffline: (_, { name }, { code }) => note('offline', name, code),
    tunnelRefused: (_, { name }, { code }) => note('refused', name, code),
    targetRefuses: (_, { name }, why) => note('target-refuses', name, why),
    targetAnswers: (_, { name }) => note('target-answers', name),
    tokenTaken: ({ tokenId }, notStored) => note('token-taken', tokenId, notStored),
    visitorRefused: (...parts) => note('visitor', ...parts),
  }
}
