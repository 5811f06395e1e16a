// The client's agent in this process, with a real link to a real server, so that a test can add and take away tunnels.
import { readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { systemClock } from '@pbt/proto'
import { parseServer } from '../../../client/src/config/server-address.ts'
import { dial } from '../../../client/src/session/dial.ts'
import { Lookup } from '../../../client/src/session/lookup.ts'
import { Agent } from '../../../client/src/tunnels/agent.ts'
import type { ClientEvent } from '../../../client/src/tunnels/events.ts'
import { PlanMaker } from '../../../client/src/tunnels/plan-maker.ts'
import { httpPlan, type MakePlan, tcpPlan, udpPlan } from '../../../client/src/tunnels/plans.ts'
import type { RunningServer } from './programs.ts'

const WAIT_MS = 30_000
const COMMON = { name: undefined, allow: undefined }

/** Plans as the command line makes them. */
export const planFor = {
  http: (target: number, domain: string): MakePlan =>
    httpPlan({
      ...{ ...COMMON, target: String(target), domain: [domain] },
      ...{ hostHeader: 'preserve', targetProtocol: 'http1' },
      ...{ verifyTarget: false, insecureTarget: false, targetCa: undefined, targetName: undefined },
    }),
  tcp: (target: number): MakePlan =>
    tcpPlan({ ...COMMON, target: String(target), reservePort: undefined, proxyProtocol: undefined }),
  udp: (target: number): MakePlan => {
    const options = { reservePort: undefined, idleTimeout: undefined, replyFactor: undefined, proxyProtocol: undefined }
    return udpPlan({ ...COMMON, ...options, target: String(target) })
  },
}

export class LiveAgent {
  readonly events: ClientEvent[] = []
  readonly agent: Agent
  private readonly maker = new PlanMaker({
    opened: () => {},
    over: () => {},
    targetSeen: (number, message) => this.agent.targetSeen(number, message),
  })
  private waiting: (() => void)[] = []

  /** Its link goes to `port`; it is stopped after the test. `keepsEnded`: as a daemon does. */
  constructor(t: TestContext, server: RunningServer, port: number, first: MakePlan, keepsEnded = false) {
    const address = parseServer(`localhost:${port}`, 'test')
    const ca = readFileSync(server.ca, 'utf8')
    const lookup = new Lookup(systemClock)
    const options = { server: address, token: server.token, ca, proxy: undefined, lookup, clock: systemClock }
    this.agent = new Agent({
      clock: systemClock,
      random: Math.random,
      server: `localhost:${port}`,
      identity: { agent: 'pbt/test', machineId: 'machine', clientId: 'machine.live', generation: 1, label: 'test' },
      tunnels: [this.maker.make(first)],
      dial: (hello, events) => dial(options, hello, events),
      onEvent: event => {
        this.events.push(event)
        for (const wake of this.waiting.splice(0)) wake()
      },
      isAskedByOwner: true,
      keepsEnded,
      onNewToken: () => '',
    })
    t.after(async () => {
      this.agent.stop()
      this.agent.stop()
      await this.agent.finished
    })
    this.agent.start()
  }

  /** Adds a tunnel and tells its number. */
  open(makePlan: MakePlan): number {
    const plan = this.maker.make(makePlan)
    this.agent.open(plan)
    return plan.number
  }

  /** The address of the tunnel once it is online, looked for after the first `skip` events. */
  async online(number: number, skip = 0): Promise<URL> {
    const event = await this.until(
      event => (event.event === 'online' && event.number === number ? event : undefined),
      skip,
    )
    return new URL(event.urls[0] ?? '')
  }

  /** The first event that `find` finds something in, after the first `skip`. */
  async until<T>(find: (event: ClientEvent) => T | undefined, skip = 0): Promise<T> {
    const deadline = AbortSignal.timeout(WAIT_MS)
    for (;;) {
      for (const event of this.events.slice(skip)) {
        const found = find(event)
        if (found !== undefined) return found
      }
      if (deadline.aborted) throw new Error(`did not come: ${JSON.stringify(this.events)}`)
      await new Promise<void>(resolve => {
        this.waiting.push(resolve)
        deadline.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }
}
