// A server, and clients for whatever a tool needs; ended by the cleanup.
import { spawn } from 'node:child_process'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { type Cleaner, type RunningServer, startClient, startServer } from '../../../server/test/support/programs.ts'
import { freePort, SCRATCH } from '../machine.ts'

const RUN_MS = 240_000
const HOST = '127.0.0.1'

export interface Place {
  readonly t: Cleaner
  /** The public ports of tunnels to these, in their order; each a spec of `pbt up` without its port: `tcp:22`. */
  tunnels(...specs: string[]): Promise<number[]>
  /** Datagrams that the server has dropped, for whatever reason. */
  droppedDatagrams(): Promise<number>
}

export async function startPlace(t: Cleaner): Promise<Place> {
  const metrics = await freePort()
  const server: RunningServer = await startServer(t, { serverArgs: ['--metrics-port', String(metrics)] })
  let machines = 0
  return {
    t,
    droppedDatagrams: async () => {
      const text = await (await fetch(`http://${HOST}:${metrics}/metrics`)).text()
      const counts = [...text.matchAll(/^pbt_(?:udp|link)_dropped_total.* (\d+)/gm)]
      return counts.reduce((sum, [, count]) => sum + Number(count), 0)
    },
    tunnels: async (...specs) => {
      const home = join(SCRATCH, `home-${machines++}`)
      const { client } = await startClient(t, server, ['up', ...specs], { home })
      const urls = await client.until(() => {
        const online = client.events.filter(({ event }) => event === 'online')
        return online.length < specs.length ? undefined : online
      }, 'all tunnels online')
      return specs.map(spec => {
        const [kind = '', rest = ''] = spec.split(':')
        const target = `127.0.0.1:${rest.split(',')[0]}`
        const event = urls.find(each => each.kind === kind && each.target === target)
        return Number(new URL(String((event?.urls as string[] | undefined)?.[0])).port)
      })
    },
  }
}

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end. `user`: whose it is. */
export async function run(command: string, args: readonly string[], input = ''): Promise<Ran> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: RUN_MS, killSignal: 'SIGKILL' })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', chunk => {
    stdout += chunk
  })
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { code, stdout, stderr }
}

/** As `run`, and throws what the program said when it failed. */
export async function must(command: string, args: readonly string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, input)
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`.slice(0, 600))
  return stdout
}

/** A service that is ended by the cleanup. */
export function service(t: Cleaner, command: string, args: readonly string[]): void {
  const child = spawn(command, args, { stdio: 'ignore' })
  child.on('error', () => {})
  t.after(() => child.kill('SIGKILL'))
}

/** A TCP target; resolves with its port. */
export async function target(t: Cleaner, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    serve(socket)
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return await new Promise(resolve => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
}
