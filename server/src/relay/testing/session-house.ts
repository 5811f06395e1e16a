// Sessions of a server in one process, with the client's end of each, in virtual time.
import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { codeOf, type Link, Mux, type SessionFrame } from '@pbt/proto'
import { FakeClock } from '@pbt/proto/testing'
import { CloseTunnelSchema, HelloSchema, OpenTunnelSchema, TunnelKind } from '@pbt/proto/tunnel/v1'
import type { Log } from '../../observe/log.ts'
import { Allowlists, type StoredAllowlist } from '../allowlists.ts'
import type { Ports } from '../ports.ts'
import { Registry } from '../registry.ts'
import { Reservations } from '../reservations.ts'
import { Session, type SessionLink } from '../session.ts'

/** A house for sessions whose names are remembered when `written` resolves. */
export function house() {
  const clock = new FakeClock()
  const registry = new Registry(clock)
  const offline: string[] = []
  const ended: Session[] = []
  const warnings: string[] = []
  const disk = { written: Promise.resolve() }
  const names = {
    load: () => Promise.resolve([]),
    claim: () => disk.written,
    setOffline: (labels: readonly string[]) => {
      offline.push(...labels)
      return Promise.resolve()
    },
  }
  const reservations = new Reservations('localhost', registry, names, () => {})
  const errors: string[] = []
  const log: Log = {
    error: text => errors.push(text),
    warn: text => warnings.push(text),
    info: () => {},
    debug: () => {},
    child: () => log,
  }
  const lists: StoredAllowlist[] = []
  const store = { allowlists: () => Promise.resolve([...lists]) }
  const allowlists = new Allowlists({ store, baseDomain: 'localhost', log })
  /** Sets the list of an address, or takes it away, as `pbt-server allow` does. */
  const allow = async (address: string, entries: string[] | undefined, ...sessions: Session[]) => {
    const kept = lists.filter(list => list.address !== address)
    lists.splice(0, lists.length, ...kept, ...(entries === undefined ? [] : [{ address, entries }]))
    await allowlists.load()
    for (const session of sessions) session.judgeAgain()
  }
  const context = {
    ...{ clock, log, reservations, ended: (session: Session) => ended.push(session) },
    // Sessions of these tests have no ports.
    ports: {} as unknown as Ports,
    allowlists,
    urlOf: (host: string) => `https://${host}`,
    portUrlOf: () => '',
  }
  const state = (host = 'app.localhost') => registry.lookup(host).state
  const seen = { clock, registry, offline, ended, warnings, errors, disk, state, allow }
  return { ...seen, join: () => client(context, clock) }
}

/** A session and the client's end of it. */
function client(context: ConstructorParameters<typeof Session>[0], clock: FakeClock) {
  const hello = create(HelloSchema, { major: 1, clientId: 'c', machineId: 'm', generation: 1n })
  const session = new Session(context, hello, 1)
  const heard: SessionFrame[] = []
  const goAways: string[] = []
  const mux = new Mux({
    role: 'client',
    clock,
    handler: {
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
    const link = { write: write(mux), close: () => {}, drop: () => line.drops++ }
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
