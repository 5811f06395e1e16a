// `npm start`: a server, a sample service and a tunnel to it, as the real programs, on this machine alone.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { expandHome, homeDirectory, PATH_EXPECTED } from '../launch/home-path.ts'
import { startSample } from './demo-sample.ts'
import { inDemoWords } from './demo-words.ts'
import { isPanelCurrent } from './panel.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const HOME = demoHome()
const DATA = join(HOME, 'server')
const TOKEN_FILE = join(HOME, 'token')
/** Each program says what it is waited for within this time, or something is wrong. */
const STEP_MS = 20_000
/** After that a program that was asked to end is killed. */
const END_MS = 5_000

type Event = Readonly<Record<string, unknown>> & { readonly event: string }

const children = new Set<ChildProcess>()
let isEnding = false

const { values } = parseArgs({
  options: {
    'https-port': { type: 'string', default: process.env.PBT_DEMO_HTTPS_PORT || '8443' },
    'http-port': { type: 'string', default: process.env.PBT_DEMO_HTTP_PORT || '8080' },
  },
})

process.on('SIGINT', () => void end(0))
process.on('SIGTERM', () => void end(0))
process.on('SIGHUP', () => void end(0))

try {
  await run()
} catch (error) {
  process.stderr.write(`pbt: the demonstration does not start: ${error instanceof Error ? error.message : error}\n`)
  await end(1)
}

async function run(): Promise<void> {
  mkdirSync(HOME, { recursive: true, mode: 0o700 })
  const token = await firstToken()
  const sample = await startSample()
  const server = program('server/bin/pbt-server.js', [
    ...['start', '--json', '--data-dir', DATA, '--log-level', 'warn'],
    ...['--https-port', values['https-port'], '--http-port', values['http-port']],
  ])
  const ready = await server.event('ready')
  // Where the panel is there already its link is made meanwhile, by a program that takes as long to start as the client.
  const early = isPanelCurrent() ? loginLink() : undefined
  early?.catch(() => {})
  const ca = String(ready.ca)
  const client = program('client/bin/pbt.js', ['http', String(sample.port), '--domain', 'demo', '--json'], {
    PBT_SERVER: `localhost:${ready.https}`,
    PBT_TOKEN_FILE: TOKEN_FILE,
    PBT_CA: ca,
    PBT_HOME: join(HOME, 'client'),
  })
  const online = await client.event('online')
  const url = String((online.urls as unknown[])[0])
  await answers(url, readFileSync(ca))
  const plain = `http://demo.localhost:${ready.http}`
  process.stdout.write(`
  The service on 127.0.0.1:${sample.port} is reached through the tunnel:

      ${url}          (certificate of the development authority below)
      ${plain}           (the same without TLS, for browsers)

  token      ${token}
  authority  ${ca}

  Try next, in another terminal:

      curl --cacert ${ca} ${url}/
      npx pbt init ${token} --server localhost:${ready.https} --ca ${ca}
      npx pbt tunnel http 3000 --domain myapp

  Ctrl-C ends everything.
`)
  await showPanel(early)
}

/** The panel is for looking at: without it everything else goes on. */
async function showPanel(early: Promise<string> | undefined): Promise<void> {
  if (early === undefined) {
    process.stdout.write('\n  The panel is being built, which takes some seconds, once.\n')
    if ((await build()) !== 0) {
      process.stdout.write('\n  There is no panel: "npm run panel" tells why.\n')
      return
    }
  }
  const url = await (early ?? loginLink())
  process.stdout.write(`
  The panel, by a link that logs in once and within an hour:

      ${url}

  The browser says that it does not know the certificate of this address: it is signed by the authority above, which is of this
  machine alone. Go on there, or make the authority known to the browser.
`)
}

async function loginLink(): Promise<string> {
  const login = program('server/bin/pbt-server.js', ['login', '--json', '--data-dir', DATA, '--for', '1h'])
  return String((await login.event('login')).url)
}

/** Resolves with its exit code. */
function build(): Promise<number> {
  const child = spawn(process.execPath, [join(ROOT, 'scripts/panel.ts')], { stdio: ['ignore', 'ignore', 'inherit'] })
  children.add(child)
  return new Promise(resolve => {
    child.once('error', () => resolve(1))
    child.once('exit', code => {
      children.delete(child)
      resolve(code ?? 1)
    })
  })
}

function demoHome(): string {
  const written = process.env.PBT_DEMO_HOME || join(ROOT, '.pbt-demo')
  const home = expandHome(written, homeDirectory())
  if (home !== undefined) return home
  process.stderr.write(`pbt: PBT_DEMO_HOME "${written}" must be ${PATH_EXPECTED}\n`)
  process.exit(1)
}

/** The token of the demonstration's own server, made at the first start and kept for the owner only. */
async function firstToken(): Promise<string> {
  if (existsSync(TOKEN_FILE) && existsSync(DATA)) return readFileSync(TOKEN_FILE, 'utf8').trim()
  rmSync(DATA, { recursive: true, force: true })
  const init = program('server/bin/pbt-server.js', ['init', '--json', '--data-dir', DATA])
  const { token } = await init.event('initialised')
  await init.ended
  writeFileSync(TOKEN_FILE, `${token}\n`, { mode: 0o600 })
  return String(token)
}

function program(file: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [join(ROOT, file), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
    // Ctrl-C reaches the whole group; the order of ending is this process's business.
    detached: true,
  })
  children.add(child)
  const seen: Event[] = []
  const waiting = new Map<string, (event: Event) => void>()
  createInterface({ input: child.stdout }).on('line', line => {
    const event = JSON.parse(line) as Event
    if (event.event === 'error')
      process.stderr.write(`pbt: ${event.message}\n  to do: ${inDemoWords(String(event.cure))}\n`)
    seen.push(event)
    waiting.get(event.event)?.(event)
  })
  const ended = new Promise<number>(resolve => {
    child.once('exit', code => {
      children.delete(child)
      resolve(code ?? 1)
      if (code !== 0 && !isEnding) void end(1)
    })
  })
  const event = (name: string) =>
    new Promise<Event>((resolve, reject) => {
      const found = seen.find(each => each.event === name)
      if (found !== undefined) {
        resolve(found)
        return
      }
      const timer = setTimeout(() => reject(new Error(`${args[0]} does not say "${name}" within 20 s`)), STEP_MS)
      waiting.set(name, found => {
        clearTimeout(timer)
        resolve(found)
      })
    })
  return { event, ended }
}

/** Resolves when the public address answers with the sample's page. */
function answers(url: string, ca: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request(
      url,
      { ca, timeout: STEP_MS, lookup: (_name, _options, call) => call(null, [{ address: '127.0.0.1', family: 4 }]) },
      response => {
        response.resume()
        response.once('end', () => {
          if (response.statusCode === 200) resolve()
          else reject(new Error(`${url} answers with status ${response.statusCode}`))
        })
      },
    )
    asked.once('timeout', () => asked.destroy(new Error(`${url} does not answer`)))
    asked.once('error', reject)
    asked.end()
  })
}

async function end(code: number): Promise<void> {
  if (isEnding) return
  isEnding = true
  for (const child of children) child.kill('SIGTERM')
  const killer = setTimeout(() => {
    for (const child of children) child.kill('SIGKILL')
  }, END_MS)
  await Promise.all([...children].map(child => new Promise(resolve => child.once('exit', resolve))))
  clearTimeout(killer)
  process.exit(code)
}
