// A real server of a base domain of its own that gets its certificates from Pebble, which finds it by a small internet of names.
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { lastingPort } from '../../support/ports.ts'
import {
  CLIENT,
  clientEnv,
  type Program,
  program,
  type RunningServer,
  restartServer,
  scratch,
  startServer,
} from '../../support/programs.ts'
import { type DnsWorld, startDnsWorld } from './dns-world.ts'
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts'
import { type Pebble, type PebbleOptions, startPebble } from './pebble.ts'

export const BASE = 'tunnel.example.test'
const NAMES = new URL('../../support/names.mjs', import.meta.url).href

export interface IssuingServer {
  server: RunningServer
  readonly world: DnsWorld
  readonly pebble: Pebble
  /** Between both. */
  readonly proxy: FaultProxy
  /** Pebble's root, in PEM. */
  readonly root: string
  /** Starts another server on the same data directory. */
  again(): Promise<RunningServer>
}

/** Ready, and its orders under way; ended after the test. */
export async function startIssuing(t: TestContext, options: Pick<PebbleOptions, 'validitySeconds'> = {}) {
  const ports = { https: await lastingPort(), http: await lastingPort() }
  const world = await startDnsWorld(t, BASE)
  const pebble = await startPebble(t, { ...options, dnsServer: world.resolver, httpPort: ports.http })
  const proxy = await startFaultProxy(t, pebble)
  const serverArgs = [
    ...['--base-domain', BASE, '--acme-directory', proxy.directory, '--acme-ca', pebble.caFile, '--log-level', 'debug'],
    ...['--public-address', world.address, '--dns-resolver', world.resolver],
  ]
  const server = await startServer(t, { ports, serverArgs })
  const issuing: IssuingServer = {
    server,
    world,
    pebble,
    proxy,
    root: await pebble.root(),
    again: async () => {
      issuing.server = await restartServer(t, server, { ports, serverArgs })
      return issuing.server
    },
  }
  return issuing
}

/** Resolves when a TLS connection to this name is verified against Pebble's root, and gives it. */
export async function served(t: TestContext, issuing: IssuingServer, servername: string): Promise<TLSSocket> {
  const deadline = AbortSignal.timeout(60_000)
  for (;;) {
    const socket = await attempt(issuing, servername)
    if (!(socket instanceof Error)) {
      t.after(() => socket.destroy())
      return socket
    }
    if (deadline.aborted)
      throw new Error(`no certificate for ${servername}: ${socket}\n${issuing.server.program.stderr}`)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

/** A connection to this name that is verified, or why there is none. */
export async function attempt({ server, root }: IssuingServer, servername: string): Promise<TLSSocket | Error> {
  const socket = connect({ port: server.https, host: '127.0.0.1', servername, ca: root })
  try {
    await once(socket, 'secureConnect')
    socket.on('error', () => {})
    return socket
  } catch (error) {
    socket.destroy()
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** A client for which the names of the base domain lead here, and which trusts Pebble's root. */
export function issuingClient(t: TestContext, issuing: IssuingServer, args: readonly string[]): Program {
  const directory = scratch(t)
  const names = join(directory, 'names.json')
  const ca = join(directory, 'root.pem')
  writeFileSync(ca, issuing.root)
  const all = [BASE, `link.${BASE}`, `admin.${BASE}`].map(name => [name, '127.0.0.1'])
  writeFileSync(names, JSON.stringify(Object.fromEntries(all)))
  const { server } = issuing
  const env = {
    ...clientEnv(t, server),
    ...{ PBT_SERVER: `${BASE}:${server.https}`, PBT_CA: ca },
    ...{ NODE_OPTIONS: `--import=${NAMES}`, PBT_TEST_NAMES: names },
  }
  return program(t, CLIENT, [...args, '--json'], env)
}

/** GET / on a connection, which stays open where the server keeps it: status and body. */
export function getOver(socket: TLSSocket, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ createConnection: () => socket, headers: { host, connection: 'keep-alive' } }, answer => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', chunk => {
        text += chunk
      })
      answer.once('error', reject)
      answer.once('end', () => resolve(`${answer.statusCode} ${text}`))
    })
    asked.once('error', reject)
    asked.end()
  })
}
