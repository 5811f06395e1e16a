// This checkout against another one, as a rule that of the commit before: the same loads in alternating rounds, and how soon each is as fast
// as it gets. `--checkout DIR`: where the other one lies, with its packages installed and its code generated.
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Datagrams, iperf3, iperfBulk, iperfDatagrams, startIperfServer } from './support/iperf.ts'
import { type Load, type Measured, measure, median } from './support/measure.ts'
import { Report, ratio } from './support/report.ts'
import type * as Systems from './support/systems.ts'
import * as here from './support/systems.ts'

/** The loads: each leaves out what another finds. */
const KINDS = ['http', 'https', 'connections', 'tcp', 'udp', 'start'] as const
type Kind = (typeof KINDS)[number]
type System = Systems.System
/** Of this checkout, and of the other one. */
type Pair = readonly [System, System]

const UDP = { size: 512, perSecond: 30_000, flows: 12 } as const
/** After its start a system is looked at in pieces so long, so often. */
const [PIECE_SECONDS, PIECES] = [0.5, 16]
const FULL_PART = 0.9

const { values } = parseArgs({
  options: {
    checkout: { type: 'string' },
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '9' },
    only: { type: 'string', default: KINDS.join(',') },
  },
})
if (values.checkout === undefined) {
  process.stderr.write(
    'bench/before.ts: --checkout DIR is missing: the other checkout, with "npm ci" and "npm run generate" done\n',
  )
  process.exit(1)
}
const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)]
const isWanted = (kind: Kind): boolean => values.only.split(',').includes(kind)
const there = (await import(join(resolve(values.checkout), 'bench/support/systems.ts'))) as typeof Systems
const report = new Report('before', `this checkout against another one, ${rounds} alternating rounds of ${seconds} s`)
const rows: string[][] = []

interface Rate {
  readonly perSecond: number
  /** CPU seconds of both programs for one. */
  readonly cpu: number
}

/** A row: the median of the rounds' ratios. A first round of each does not count: what is compiled while it runs is compiled by then. */
async function compare(what: string, pair: Pair, rateOf: (system: System) => Promise<Rate>): Promise<void> {
  const [speed, cpu]: [number[], number[]] = [[], []]
  for (let round = 0; round <= rounds; round++) {
    const found: [Rate?, Rate?] = []
    for (const index of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const))
      found[index] = await rateOf(pair[index])
    const [ours, theirs] = found
    if (round === 0 || ours === undefined || theirs === undefined) continue
    speed.push(ours.perSecond / theirs.perSecond)
    cpu.push(ours.cpu / theirs.cpu)
  }
  const spread = [...speed].sort((left, right) => left - right).map(each => each.toFixed(2))
  rows.push([what, median(speed).toFixed(3), `${spread[0]} to ${spread.at(-1)}`, median(cpu).toFixed(3)])
  process.stderr.write(`${rows.at(-1)?.join('  ')}\n`)
}

const by = (load: Load, amount: (measured: Measured) => number) => async (system: System) => {
  const measured = await measure(system, load)
  if (measured === undefined) throw new Error(`${system.name} cannot do ${load.kind}`)
  return rateOf(measured, amount(measured))
}

function rateOf({ edgeSeconds, clientSeconds, seconds }: Measured, perSecond: number): Rate {
  return { perSecond, cpu: (edgeSeconds + clientSeconds) / (perSecond * seconds) }
}

const perDatagram = ({ perSecond, edgeMicros, clientMicros }: Datagrams): Rate => ({
  perSecond,
  cpu: edgeMicros + clientMicros,
})

async function stopAll(pair: Pair): Promise<void> {
  for (const system of pair) await system.stop()
}

async function http(origin: number): Promise<void> {
  const pair: Pair = [await here.startPbt(origin), await there.startPbt(origin)]
  for (const kind of ['http', 'https'] as const) {
    if (!isWanted(kind)) continue
    for (const connections of [1, 64]) {
      const load = { kind: 'requests', isTls: kind === 'https', connections, warmupSeconds: 0.4, seconds } as const
      await compare(
        `requests, ${kind}, ${connections} at once`,
        pair,
        by(load, ({ perSecond }) => perSecond),
      )
    }
  }
  const load = { kind: 'handshakes', isTls: true, connections: 16, warmupSeconds: 0.4, seconds } as const
  if (isWanted('connections'))
    await compare(
      'new connections, https',
      pair,
      by(load, ({ perSecond }) => perSecond),
    )
  await stopAll(pair)
}

async function tcp(): Promise<void> {
  const { port, running } = await startIperfServer()
  const [ours, theirs] = [await here.startPbtTcp(port), await there.startPbtTcp(port)]
  if (ours === undefined || theirs === undefined) throw new Error('no TCP tunnel')
  const pair: Pair = [ours, theirs]
  for (const way of ['down', 'up'] as const) {
    await compare(`bulk, tcp, ${way}`, pair, async system => {
      const measured = await iperfBulk(system, way, { warmupSeconds: 1, seconds })
      return rateOf(measured, measured.bytesPerSecond)
    })
  }
  await stopAll(pair)
  await running.stop()
}

async function udp(): Promise<void> {
  const { port, running } = await startIperfServer()
  // iperf3 speaks TCP with its server beside the datagrams, on the same port.
  const public0 = 20_000 + Math.floor(Math.random() * 10_000)
  const make = ({ pbtWith }: typeof Systems, at: number) =>
    pbtWith(['up', `tcp:${port},port=${at}`, `udp:${port},port=${at}`], undefined, [])
  const pair = [await make(here, public0), await make(there, public0 + 1)] as const
  for (const kind of ['up', 'down'] as const) {
    await compare(`datagrams, ${kind}`, pair, async system =>
      perDatagram(
        await iperfDatagrams(system, public0 + pair.indexOf(system as (typeof pair)[0]), { kind, ...UDP, seconds }),
      ),
    )
  }
  await stopAll(pair)
  await running.stop()
}

/** Seconds after its start from which a system did nine tenths of what it did in the end. */
async function timeToFull(make: typeof here.startPbt, origin: number, load: Load): Promise<number> {
  const system = await make(origin)
  const began = performance.now()
  const pieces: { readonly at: number; readonly rate: number }[] = []
  for (let piece = 0; piece < PIECES; piece++) {
    const at = (performance.now() - began) / 1_000
    const measured = await measure(system, { ...load, warmupSeconds: 0, seconds: PIECE_SECONDS })
    pieces.push({ at, rate: measured?.bytesPerSecond || measured?.perSecond || 0 })
  }
  await system.stop()
  const later = median(pieces.slice(-PIECES / 4).map(({ rate }) => rate))
  return pieces.find(({ rate }) => rate >= FULL_PART * later)?.at ?? Number.POSITIVE_INFINITY
}

async function start(origin: number): Promise<void> {
  const loads = {
    'requests, 64 at once': { kind: 'requests', isTls: false, connections: 64 },
    'bulk, 1 download': { kind: 'down', isTls: false, connections: 1 },
  } as const
  const table: string[][] = []
  for (const [what, load] of Object.entries(loads)) {
    const times: [number[], number[]] = [[], []]
    for (let round = 0; round < 3; round++) {
      for (const [index, make] of [here.startPbt, there.startPbt].entries())
        times[index]?.push(await timeToFull(make, origin, { ...load, warmupSeconds: 0, seconds: PIECE_SECONDS }))
    }
    const [ours, theirs] = times.map(median)
    table.push([what, (ours ?? 0).toFixed(1), (theirs ?? 0).toFixed(1), ratio(ours, theirs)])
  }
  report.table('seconds after the start until nine tenths of later speed', ['load', 'this', 'other', 'ratio'], table)
}

const origin = await here.startOrigin()
if (isWanted('http') || isWanted('https') || isWanted('connections')) await http(origin.port)
if (iperf3 === undefined) report.say('\niperf3 is not installed: no bulk, no datagrams.')
else {
  if (isWanted('tcp')) await tcp()
  if (isWanted('udp')) await udp()
}
report.table('speed and CPU of this checkout, as parts of the other one', ['load', 'speed', 'rounds', 'CPU'], rows)
if (isWanted('start')) await start(origin.port)
report.save()
await origin.running.stop()
process.exit()
