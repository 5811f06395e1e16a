// The internet around a machine of tests, in a network of its own: name servers, a CA, and at home the service with its visitors. As a
// program it is that network's only process, which takes one line of JSON for each wish and answers with one.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Records, startDnsWorld } from '../certs/support/dns-world.ts'
import { httpsText } from '../certs/support/https-text.ts'
import { startPebble } from '../certs/support/pebble.ts'
import { busyTarget } from './busy-target.ts'
import { type Cleaner, scratch } from './programs.ts'
import { type Outcome, Traffic } from './traffic.ts'
import { steadily } from './upgrade.ts'

/** Of this end; a machine is beside it. */
export const OUTSIDE_ADDRESS = '203.0.113.1'
const CA_NAME = 'ca.pebble.test'
/** Where the service at home listens, on its loopback address: see busy-target.ts. */
export const SERVICE_PORT = 3000
/** Visitors beside it: the server limits what one address may do. */
const VISITORS = Array.from({ length: 50 }, (_, index) => `203.0.113.${100 + index}`)
/** About three seconds. */
const DOWNLOAD = { pieces: 30, paceMs: 100 }

/** What is there: the CA's directory, the roots of its API and of its certificates in PEM. */
export interface OutsideFacts {
  readonly directory: string
  readonly caPem: string
  readonly rootPem: string
}

/** What visitors saw between `load` and `unload`. */
export interface LoadFacts {
  /** Downloads too. */
  readonly requests: number
  readonly downloads: number
  readonly failed: readonly Outcome[]
}

type Wish =
  | { readonly verb: 'records'; readonly name: string; readonly records: Records }
  | { readonly verb: 'get'; readonly url: string; readonly ca?: string | undefined }
  | { readonly verb: 'load'; readonly host: string; readonly address: string; readonly perSecond: number }
  | { readonly verb: 'download' | 'unload' }

/** The program, seen by the test that started it. */
export class Outside {
  readonly facts: OutsideFacts
  private readonly child: ChildProcess
  private readonly waiting: ((answer: unknown) => void)[]

  private constructor(child: ChildProcess, waiting: Outside['waiting'], facts: OutsideFacts) {
    this.child = child
    this.waiting = waiting
    this.facts = facts
  }

  /** Ready, ended after the test. `base`: the base domain, for `acme.<base>`. */
  static async start(t: Cleaner, base: string, address: string): Promise<Outside> {
    const names = join(scratch(t), 'resolv.conf')
    writeFileSync(names, `nameserver ${OUTSIDE_ADDRESS}\n`)
    const make = `mount --bind "$1" /etc/resolv.conf && ip link set lo up && ip address add ${OUTSIDE_ADDRESS}/32 dev lo && shift && exec "$@"`
    const own = [process.execPath, import.meta.filename, base, address]
    const args = ['--mount', '--net', '--kill-child', '--fork', 'sh', '-c', make, 'sh', names, ...own]
    const child = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'inherit'] })
    t.after(async () => {
      const over = once(child, 'exit')
      // It ends what it has started, and then itself.
      child.stdin.end()
      await over
    })
    const lines = createInterface({ input: child.stdout })
    const waiting: Outside['waiting'] = []
    lines.on('line', line => waiting.shift()?.(JSON.parse(line)))
    child.once('exit', () => {
      for (const tell of waiting.splice(0)) tell(undefined)
    })
    const facts = await new Promise<unknown>(resolve => waiting.push(resolve))
    if (facts === undefined) throw new Error('the internet of the test did not start')
    return new Outside(child, waiting, facts as OutsideFacts)
  }

  /** A process of this network. */
  get pid(): string {
    return execFileSync('pgrep', ['-P', String(this.child.pid)], { encoding: 'utf8' }).trim()
  }

  /** A name has these records from now on. */
  async setRecords(name: string, records: Records): Promise<void> {
    await this.ask({ verb: 'records', name, records })
  }

  /** What a visitor gets who trusts the root of the CA, or only what is in `ca`; or why not. */
  async get(url: string, ca?: string): Promise<string> {
    return ((await this.ask({ verb: 'get', url, ca })) as { text: string }).text
  }

  /** So many requests a second begin, for this name at this address, of fifty visitors. */
  async load(host: string, address: string, perSecond: number): Promise<void> {
    await this.ask({ verb: 'load', host, address, perSecond })
  }

  /** Five downloads begin beside them. */
  async download(): Promise<void> {
    await this.ask({ verb: 'download' })
  }

  /** The load ends, all of it, and is judged. */
  async unload(): Promise<LoadFacts> {
    return (await this.ask({ verb: 'unload' })) as LoadFacts
  }

  private async ask(wish: Wish): Promise<unknown> {
    const answered = new Promise<unknown>(resolve => this.waiting.push(resolve))
    this.child.stdin?.write(`${JSON.stringify(wish)}\n`)
    const answer = await answered
    if (answer === undefined) throw new Error(`the internet of the test has ended, at ${wish.verb}`)
    return answer
  }
}

/** The program itself. */
async function live(base: string, address: string): Promise<void> {
  const ends: (() => unknown)[] = []
  const t: Cleaner = { after: end => void ends.unshift(end) }
  const zones = ['test', 'com', 'uk']
  const world = await startDnsWorld(t, base, { address, resolverAddress: OUTSIDE_ADDRESS, zones })
  // The owner makes them.
  world.records.clear()
  world.records.set(CA_NAME, { A: [OUTSIDE_ADDRESS] })
  const pebble = await startPebble(t, {
    ...{ httpPort: 80, dnsServer: world.resolver },
    at: { name: CA_NAME, address: OUTSIDE_ADDRESS },
  })
  await busyTarget(t, SERVICE_PORT)
  const rootPem = await pebble.root()
  const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`)
  let load: Load | undefined
  const wishes = {
    records: async (wish: Wish & { verb: 'records' }) => {
      world.records.set(wish.name, { ...world.records.get(wish.name), ...wish.records })
    },
    get: async ({ url, ca = rootPem }: Wish & { verb: 'get' }) => ({
      text: await httpsText(url, ca).then(
        ({ body }) => body,
        (error: unknown) => String(error),
      ),
    }),
    load: async (wish: Wish & { verb: 'load' }) => {
      load = begin(t, rootPem, wish)
    },
    download: async () => load?.download(),
    unload: async () => await load?.stop(),
  }
  say({ directory: pebble.directory, caPem: pebble.ca, rootPem } satisfies OutsideFacts)
  for await (const line of createInterface({ input: process.stdin })) {
    const wish = JSON.parse(line) as Wish
    say((await wishes[wish.verb](wish as never)) ?? {})
  }
  for (const end of ends) await end()
}

interface Load {
  readonly download: () => void
  readonly stop: () => Promise<LoadFacts>
}

function begin(t: Cleaner, ca: string, { host, address, perSecond }: Wish & { verb: 'load' }): Load {
  for (const visitor of VISITORS) execFileSync('ip', ['address', 'replace', `${visitor}/24`, 'dev', 'vps'])

  const traffic = new Traffic(
    t,
    { ...{ http: 80, https: 443, tcp: 0, ca }, elsewhere: { address, host, from: VISITORS } },
    true,
  )
  const load = steadily(traffic, perSecond, ['h2', 'https', 'h2'])
  const downloads: Promise<Outcome>[] = []
  return {
    download: () => {
      for (const kind of ['down', 'chunked', 'h2down', 'down', 'h2down'] as const)
        downloads.push(traffic.visit(kind, DOWNLOAD))
    },
    stop: async () => {
      await Promise.all([load.stop(), ...downloads])
      traffic.close()
      const failed = traffic.outcomes.filter(({ state }) => state !== 'whole')
      return { requests: traffic.outcomes.length, downloads: downloads.length, failed }
    },
  }
}

if (import.meta.main) await live(process.argv[2] ?? '', process.argv[3] ?? '')
