// WireGuard and QUIC through a UDP tunnel: a download as their own code makes it, and what the server withheld of it.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freeUdpPort, SCRATCH, start } from '../machine.ts'
import { must, type Place } from './place.ts'
import type { Tool } from './tool.ts'

const SOURCES = fileURLToPath(new URL('go', import.meta.url))
const BYTES = 200_000_000
const HOST = '127.0.0.1'

/** In turn, since the machine may have other things to do for a while. */
const ROUNDS = 3
const WITH = 'with the bound of replies that is the default and with none'

export const downloadTools: readonly Tool[] = [
  tool(`WireGuard in user space: 200 MB over HTTP inside of it, ${WITH}`, 'wireguard'),
  tool(`QUIC: 200 MB over HTTP/3, ${WITH}`, 'quic', ['plain'], ['1']),
  tool(`QUIC version 2 with a Retry: 200 MB over HTTP/3, ${WITH}`, 'quic', ['retry'], ['2']),
]

/** What a program of go/ says at the end; `sent` and `received` are bytes of UDP payload. */
interface Fetched {
  readonly bytes: number
  readonly seconds: number
  readonly sent: number
  readonly received: number
}

/** `serves`, `fetches`: what the program is told besides, at the target and at the visitor. */
function tool(what: string, program: string, serves: readonly string[] = [], fetches: readonly string[] = []): Tool {
  return {
    what,
    needs: ['go'],
    run: async place => {
      const built = await build(program)
      const ways = [
        { name: 'without a tunnel', option: undefined, all: [] as Fetched[], dropped: 0 },
        { name: 'by default', option: '', all: [] as Fetched[], dropped: 0 },
        { name: '--reply-factor off', option: ',reply-factor=off', all: [] as Fetched[], dropped: 0 },
      ]
      for (let round = 0; round < ROUNDS; round++) {
        for (const way of ways) {
          const before = await place.droppedDatagrams()
          way.all.push(await download(built, place, { serves, fetches, option: way.option }))
          way.dropped += (await place.droppedDatagrams()) - before
        }
      }
      const seen = ways.map(({ name, all, dropped }) => `${name} ${shown(all)}, ${dropped} dropped`).join('; ')
      if (ways.some(({ dropped }) => dropped > 0)) throw new Error(seen)
      return seen
    },
  }
}

async function build(program: string): Promise<string> {
  const folder = join(SCRATCH, 'go')
  mkdirSync(folder, { recursive: true })
  const built = join(folder, program)
  await must('go', ['build', '-C', SOURCES, '-mod=mod', '-o', built, `./${program}`])
  return built
}

interface Download {
  readonly serves: readonly string[]
  readonly fetches: readonly string[]
  /** Through a tunnel with it; undefined: without a tunnel. */
  readonly option: string | undefined
}

async function download(built: string, place: Place, { serves, fetches, option }: Download): Promise<Fetched> {
  const port = await freeUdpPort()
  const service = start('origin', built, ['serve', String(port), ...serves])
  try {
    await service.line(line => line === 'ready')
    const [public_ = 0] = option === undefined ? [port] : await place.tunnels(`udp:${port}${option}`)
    const took: Fetched = JSON.parse(await must(built, ['fetch', `${HOST}:${public_}`, String(BYTES), ...fetches]))
    if (took.bytes !== BYTES) throw new Error(`${took.bytes} bytes came instead of ${BYTES}`)
    return took
  } finally {
    await service.stop()
  }
}

/** The median of their rates. */
function shown(all: readonly Fetched[]): string {
  const rates = all.map(({ bytes, seconds }) => (8 * bytes) / seconds / 1e6).sort((left, right) => left - right)
  const [sent, received] = [
    all.reduce((sum, each) => sum + each.sent, 0),
    all.reduce((sum, each) => sum + each.received, 0),
  ]
  return `${(rates[Math.floor(rates.length / 2)] ?? 0).toFixed(0)} Mbit/s, ${(received / sent).toFixed(0)} times what was sent`
}
