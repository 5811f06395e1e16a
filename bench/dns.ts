// The DNS responder under a flood from one network: what another network, such as a CA's resolver, still gets, and how soon.
import { createSocket } from 'node:dgram'
import { setTimeout as wait } from 'node:timers/promises'
import { Cleanup } from './support/cleanup.ts'
import { DNS_BASE, DNS_TYPES, dnsQuery, FLOOD_PER_SECOND, startResponder } from './support/dns.ts'
import { cpuSeconds, startNode } from './support/machine.ts'
import { milli, Report } from './support/report.ts'
import { readOptions } from './support/run.ts'

/** Between two questions of the CA. */
const ASK_EVERY_MS = 20
/** A resolver asks again after about this; what comes later is counted as lost. */
const LATE_MS = 1_000

const options = readOptions(10, 1)
const report = new Report('dns', `the DNS responder beside ${FLOOD_PER_SECOND} datagrams a second from one network`)
const cleanup = new Cleanup()
const server = await startResponder(cleanup)

const quiet = await ask(options.seconds / 2)
const flood = startNode('load', 'bench/support/dns-flood.ts', [String(server.port), String(options.seconds)])
await flood.line(text => text.includes('"flooding"'))
const before = cpuSeconds([server.pid])
const flooded = await ask(options.seconds * 0.8)
const busy = (cpuSeconds([server.pid]) - before) / (options.seconds * 0.8)
const told = JSON.parse(await flood.line(text => text.includes('"sent"')))
const late = Number(told.sent) / Number(told.seconds)

report.table(
  'questions of another network, 50 a second',
  ['beside', 'asked', 'answered', 'p50 ms', 'p99 ms', 'most ms'],
  [
    ['nothing', ...figures(quiet)],
    [`${late.toFixed(0)} datagrams a second`, ...figures(flooded)],
  ],
)
report.say(
  `\nthe flood sent ${told.sent} in ${told.seconds} s, and was told ${told.answered} times to use TCP or that it is wrong; the server used ${(busy * 100).toFixed(0)} % of a core`,
)
report.save()
await cleanup.end()
process.exit(flooded.answered === flooded.asked ? 0 : 1)

interface Asked {
  asked: number
  answered: number
  readonly times: number[]
}

/** Asks for the zone's SOA from a network of its own. */
async function ask(seconds: number): Promise<Asked> {
  const seen: Asked = { asked: 0, answered: 0, times: [] }
  const open = new Map<number, number>()
  const socket = createSocket('udp4')
  socket.on('message', packet => {
    // RFC 1035 section 4.1.1: the number of the question, and at byte 6 how many answers there are.
    const [id, answers] = [packet.readUInt16BE(0), packet.readUInt16BE(6)]
    const since = open.get(id)
    const ms = performance.now() - (since ?? 0)
    if (since === undefined || answers !== 1 || ms > LATE_MS) return
    open.delete(id)
    seen.answered += 1
    seen.times.push(ms)
  })
  await new Promise<void>(resolve => socket.bind(0, '127.0.9.1', resolve))
  const end = performance.now() + seconds * 1_000
  while (performance.now() < end) {
    seen.asked += 1
    open.set(seen.asked, performance.now())
    socket.send(dnsQuery(seen.asked, `acme.${DNS_BASE}`, DNS_TYPES.soa), server.port, '127.0.0.1')
    await wait(ASK_EVERY_MS)
  }
  await wait(LATE_MS)
  socket.close()
  return seen
}

function figures({ asked, answered, times }: Asked): string[] {
  const sorted = times.sort((one, other) => one - other)
  const at = (share: number) => milli(sorted[Math.floor(sorted.length * share)] ?? Number.NaN)
  return [String(asked), String(answered), at(0.5), at(0.99), milli(sorted.at(-1) ?? Number.NaN)]
}
