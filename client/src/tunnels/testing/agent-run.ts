// An agent on a line that the test cuts, with real multiplexers at both ends, in virtual time.
import assert from 'node:assert/strict'
import { create } from '@bufbuild/protobuf'
import {
  type Channel,
  type ErrorCode,
  GRACE_MS,
  type Link,
  Mux,
  type PbtError,
  reasonOf,
  type SessionFrame,
} from '@pbt/proto'
import { FakeClock } from '@pbt/proto/testing'
import {
  Feature,
  TunnelClosedSchema,
  TunnelOpenedSchema,
  TunnelRefusedSchema,
  WelcomeSchema,
} from '@pbt/proto/tunnel/v1'
import { type ExitCode, Failure } from '../../failure.ts'
import type { HelloInit, LineEvents } from '../../session/dial.ts'
import type { TunnelPlan } from '../../session/session.ts'
import { Agent } from '../agent.ts'
import type { ClientEvent } from '../events.ts'

/** How long a batch is on its way. */
export const DELAY_MS = 1
export const HEAD = {
  tunnel: 1,
  method: 'GET',
  target: '/',
  headers: [],
  upgrade: '',
  visitor: '203.0.113.7:50123',
  connection: '',
}

/** One dial of the agent, as the server sees it. */
export class Call {
  readonly hello: HelloInit
  readonly frames: SessionFrame[] = []
  mux: Mux
  isHungUp = false
  private readonly clock: FakeClock
  private readonly events: LineEvents
  isCut = false

  constructor(clock: FakeClock, hello: HelloInit, events: LineEvents) {
    this.clock = clock
    this.hello = hello
    this.events = events
    this.mux = this.newMux()
  }

  readonly line = {
    link: this.linkTo(bytes => this.mux.receive(bytes)),
    serverTime: () => undefined,
    hangUp: () => {
      this.isHungUp = true
      this.isCut = true
    },
  }

  /** The server takes the client; with a mux it resumes that session. */
  welcome(resumed?: Mux): void {
    if (resumed !== undefined) this.mux = resumed
    const received = resumed?.received ?? 0
    const value = create(WelcomeSchema, {
      major: 1,
      agent: 'pbt-server/test',
      sessionId: new Uint8Array([1]),
      secret: new Uint8Array([2]),
      resumed: resumed !== undefined,
      received: BigInt(received),
      graceMs: GRACE_MS,
      features: [Feature.OWNER_ASKED, Feature.TARGET_HEALTH],
    })
    this.events.onWelcome(value, this.line)
    const peerHas = Number(this.hello.resume?.received ?? 0)
    this.mux.attach(
      this.linkTo(bytes => this.events.onBatch(bytes)),
      resumed === undefined ? 0 : peerHas,
    )
  }

  /** The call ends, and with it the server's link. */
  end(code: Failure['code'], message = 'gone', isNear = false): void {
    this.isCut = true
    this.mux.detach()
    this.events.onOver(new Failure(code, message, { isNear }))
  }

  private newMux(): Mux {
    const handler = {
      onSessionFrame: (frame: SessionFrame) => this.frames.push(frame),
      onLinkSilent: () => {},
      onViolation: (error: PbtError) => assert.fail(error),
    }
    return new Mux({ role: 'server', clock: this.clock, handler })
  }

  private linkTo(deliver: (bytes: Buffer) => void): Link {
    return {
      write: (batch, taken) => {
        const bytes = Buffer.alloc(batch.length)
        batch.copy(bytes, 0)
        this.clock.after(DELAY_MS, () => {
          if (!this.isCut) deliver(bytes)
          taken()
        })
      },
      close: () => {},
    }
  }
}

/** What a test may change of an agent. */
export interface RunOptions {
  readonly isAskedByOwner?: boolean
  readonly keepsEnded?: boolean
  /** Why new tokens are not stored. */
  readonly notStored?: string
}

/** What tunnels note. */
interface Noted {
  readonly accepted: Channel[]
  readonly resets: PbtError[]
  readonly closedForwarders: number[]
}

function planFor(number: number, name: string, { accepted, resets, closedForwarders }: Noted): TunnelPlan {
  return {
    number,
    kind: 'http',
    name: '',
    domains: [name],
    port: 0,
    allow: [],
    idleTimeoutMs: 0,
    replyFactor: undefined,
    target: `127.0.0.1:${2999 + number}`,
    forwarder: {
      accept: channel => {
        channel.handler = { onReset: error => resets.push(error) }
        accepted.push(channel)
      },
      close: () => closedForwarders.push(number),
    },
  }
}

export function start(options: RunOptions = {}) {
  const clock = new FakeClock()
  const calls: Call[] = []
  const events: ClientEvent[] = []
  const accepted: Channel[] = []
  const resets: PbtError[] = []
  const tokens: string[] = []
  const ended: { exitCode?: ExitCode } = {}
  const closedForwarders: number[] = []
  const planOf = (number: number, name: string) => planFor(number, name, { accepted, resets, closedForwarders })
  const agent = new Agent({
    clock,
    random: () => 0.5,
    server: 'localhost:8443',
    identity: { agent: 'pbt/test', machineId: 'm', clientId: 'm.1', generation: 7, label: 'test' },
    tunnels: [planOf(1, 'app')],
    dial: (hello, lineEvents) => {
      const call = new Call(clock, hello, lineEvents)
      calls.push(call)
      return call.line
    },
    onEvent: event => events.push(event),
    isAskedByOwner: true,
    ...options,
    onNewToken: token => {
      tokens.push(token)
      return options.notStored ?? ''
    },
  })
  void agent.finished.then(exitCode => {
    ended.exitCode = exitCode
  })
  agent.start()
  return {
    agent,
    clock,
    events,
    tokens,
    accepted,
    resets,
    ended,
    planOf,
    /** The tunnels whose idle connections were given up. */
    closedForwarders,
    call: (index: number): Call => {
      const call = calls.at(index)
      assert(call !== undefined, `dialled ${calls.length} times`)
      return call
    },
    dials: () => calls.length,
    names: () => events.map(({ event }) => event),
  }
}

export type Run = ReturnType<typeof start>

/** How it ends; lets the promise of the end be seen. */
export async function exitCodeOf(run: Run): Promise<ExitCode> {
  run.clock.advance(2_000)
  assert.equal(await Promise.race([run.agent.finished, Promise.resolve('running')]), run.ended.exitCode ?? 'running')
  return run.agent.finished
}

/** Up to the tunnel being online. */
export function online(options: RunOptions = {}): Run {
  const run = start(options)
  run.call(0).welcome()
  run.clock.advance(10)
  opened(run.call(0))
  run.clock.advance(10)
  return run
}

export function opened(call: Call, tunnel = 1, name = 'app'): void {
  const value = create(TunnelOpenedSchema, { tunnel, name, urls: [`https://${name}.localhost:8443`] })
  call.mux.sendSessionFrame({ case: 'tunnelOpened', value })
}

export function refused(call: Call, code: ErrorCode, tunnel = 1): void {
  const value = create(TunnelRefusedSchema, {
    tunnel,
    reason: reasonOf(code),
    message: 'held by desk',
    cure: 'other',
  })
  call.mux.sendSessionFrame({ case: 'tunnelRefused', value })
}

export function closed(call: Call, code: ErrorCode): void {
  const value = create(TunnelClosedSchema, { tunnel: 1, reason: reasonOf(code), message: 'by hand' })
  call.mux.sendSessionFrame({ case: 'tunnelClosed', value })
}
