// Where a machine of tests gets packages from, Debian's and npm's: it has no line to the real internet, so a proxy on its own loopback address
// hands what it asks for to a proxy outside. As a program it is one of the two: tests wait for their commands, and would not serve.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer as createHttp, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { type Cleaner, scratch } from './programs.ts'

const PORT = 3128
const PROXY = `http://127.0.0.1:${PORT}`
/** For apt. */
export const APT_PROXY = `Acquire::http::Proxy "${PROXY}";\nAcquire::https::Proxy "${PROXY}";\n`
/** Nothing comes of a download that stands still for so long. */
const SILENCE_MS = 60_000

/** Where npm of this machine trusts an authority of its own, its file. */
export function npmAuthority(): string | undefined {
  const file = execFileSync('npm', ['config', 'get', 'cafile'], { encoding: 'utf8' }).trim()
  return file.startsWith('/') ? file : undefined
}

/** For npm; `authority`: a file of the machine. */
export function npmEnvironment(authority?: string): NodeJS.ProcessEnv {
  const own = authority === undefined ? {} : { npm_config_cafile: authority }
  return { npm_config_proxy: PROXY, npm_config_https_proxy: PROXY, ...own }
}

/** In the networks of these processes, until the test is over. */
export async function openRegistries(t: Cleaner, pids: readonly string[]): Promise<void> {
  const path = join(scratch(t), 'registries.sock')
  const own = [process.execPath, import.meta.filename, path]
  await started(t, [...own, 'outside'])
  for (const pid of pids) await started(t, ['nsenter', '-t', pid, '-n', ...own, 'inside'])
}

async function started(t: Cleaner, [command = '', ...args]: readonly string[]): Promise<void> {
  const child: ChildProcess = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout ?? child, 'data')
}

function outside(): Server {
  const server = createHttp(forward)
  server.on('connect', (asked: IncomingMessage, socket: Socket) => {
    const { hostname, port } = new URL(`http://${asked.url}`)
    const there = connect(Number(port === '' ? 80 : port), hostname, () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
    both(socket, there)
  })
  return server
}

/** What is asked for without TLS, as apt does: its packages are signed. */
function forward(asked: IncomingMessage, response: ServerResponse): void {
  const { 'proxy-connection': _, connection: __, ...headers } = asked.headers
  const options = { method: asked.method ?? 'GET', headers, timeout: SILENCE_MS }
  const there = request(String(asked.url), options, answer => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
    answer.once('error', () => response.destroy())
  })
  there.once('timeout', () => there.destroy(new Error('silence')))
  there.once('error', error => (response.headersSent ? response.destroy() : response.writeHead(502).end(error.message)))
  response.once('close', () => there.destroy())
  asked.pipe(there)
}

/** What one says the other hears, until both have ended or one breaks. */
function both(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.setTimeout(SILENCE_MS, () => from.destroy())
    from.on('error', () => to.destroy())
    from.once('close', () => to.destroySoon())
    from.pipe(to)
  }
}

if (import.meta.main) {
  const [, , path = '', where] = process.argv
  const ready = () => process.stdout.write('ready\n')
  if (where === 'outside') outside().listen(path, ready)
  else createServer({ allowHalfOpen: true }, socket => both(socket, connect(path))).listen(PORT, '127.0.0.1', ready)
  // It ends with whoever started it.
  process.stdin.resume().once('end', () => process.exit())
}
