// The reference: the reverse proxy that anyone would write with Node alone. One process, no tunnel, no encryption behind.
import { readFileSync } from 'node:fs'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer as createTls } from 'node:https'

const [target = '', port = '0', tlsPort = '0', cert = '', key = ''] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true })

function proxy(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const { method, url, headers } = incoming
  const asked = request({ agent, host: '127.0.0.1', port: target, method, path: url, headers }, answer => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(outgoing)
  })
  asked.on('error', () => outgoing.destroy())
  outgoing.on('close', () => asked.destroy())
  incoming.pipe(asked)
}

/** As long as pbt keeps idle connections: Node's own 5 s would end them before they are counted. */
const KEEP_ALIVE_MS = 65_000

const server = createServer(proxy).listen(Number(port), '127.0.0.1')
const tls = createTls({ cert: readFileSync(cert), key: readFileSync(key) }, proxy).listen(Number(tlsPort), '127.0.0.1')
for (const each of [server, tls]) each.keepAliveTimeout = KEEP_ALIVE_MS
tls.on('listening', () => process.stdout.write(`${JSON.stringify({ http: server.address(), https: tls.address() })}\n`))
