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
/** What comes with the bound that holds unless another is asked for is slow: enough of it to see how slow. */
const BOUNDED_BYTES = 20_000_000

export const downloadTools: readonly Tool[] = [
  tool('WireGuard in user space: 200 MB over HTTP inside of it, for each bound of replies', 'wireguard'),
  tool('QUIC: 200 MB over HTTP/3, for each bound of replies', 'quic'),
]

/** What a program of go/ says at the end; `sent` and `received` are bytes of UDP payload. */
interface Fetched {
  readonly bytes: number
  readonly seconds: number
  readonly sent: number
  readonly received: number
}

function tool(what: string, program: string): Tool {
  return {
    what,
    needs: ['go'],
    run: async place => {
      const built = await build(program)
      const direct = await download(built, place, BYTES)
      const seen = [`without a tunnel ${shown(direct)}`]
      for (const [factor, bytes] of [
        ['60', BOUNDED_BYTES],
        ['off', BYTES],
      ] as const) {
        const before = await place.droppedDatagrams()
        const fetched = await download(built, place, bytes, factor)
        const dropped = (await place.droppedDatagrams()) - before
        seen.push(`--reply-factor ${factor}: ${shown(fetched)}, ${dropped} dropped`)
        if (factor === 'off' && dropped > 0) throw new Error(seen.join('; '))
      }
      return seen.join('; ')
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

/** `factor`: through a tunnel with that bound; undefined: without a tunnel. */
async function download(built: string, place: Place, bytes: number, factor?: string): Promise<Fetched> {
  const port = await freeUdpPort()
  const service = start('origin', built, ['serve', String(port)])
  try {
    await service.line(line => line === 'ready')
    const [public_ = 0] = factor === undefined ? [port] : await place.tunnels(`udp:${port},reply-factor=${factor}`)
    const fetched: Fetched = JSON.parse(await must(built, ['fetch', `${HOST}:${public_}`, String(bytes)]))
    if (fetched.bytes !== bytes) throw new Error(`${fetched.bytes} bytes came instead of ${bytes}`)
    return fetched
  } finally {
    await service.stop()
  }
}

function shown({ bytes, seconds, sent, received }: Fetched): string {
  return `${((8 * bytes) / seconds / 1e6).toFixed(0)} Mbit/s, ${(received / sent).toFixed(0)} times what was sent`
}
