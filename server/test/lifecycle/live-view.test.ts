// What the live view of the real program shows of real visitors, and what it tells programs of them.
import { createServer } from 'node:net'
import { test } from 'node:test'
import { CLIENT, clientEnv, startServer } from '../support/programs.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { visit } from '../support/tcp-visitors.ts'
import { hasTerminals, inTerminal } from '../support/terminal.ts'
import { RawVisitor, rawRequest } from '../support/visitors.ts'

const skip = hasTerminals ? false : 'script (util-linux) is not installed'
const WIDE = { columns: 120, rows: 40 }

/** A port of this machine on which nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

test('three tunnels: open connections with their peer and bytes, the 502 that a visitor got, whose row it is, who may visit', {
  skip,
}, async t => {
  const server = await startServer(t)
  const app = await httpTarget(t, (_request, response) => response.end('x'.repeat(1_000)))
  const echo = await rawTarget(t, socket => socket.pipe(socket))
  const specs = [
    `http:${app},domain=app,allow=127.0.0.0/8`,
    `http:${await freePort()},domain=dead`,
    `tcp:${echo},name=ssh`,
  ]
  const env = { ...clientEnv(t, server), NO_COLOR: '1' }
  const { until } = await inTerminal(t, CLIENT, ['up', ...specs], { size: WIDE, kind: 'xterm', env })
  const port = Number(await until(/tcp:\/\/localhost:(\d+)/))
  await until(/Visitors {2}only 127\.0\.0\.0\/8/)
  const visitor = new RawVisitor(await visit(t, port))
  visitor.send('y'.repeat(700))
  await visitor.until(/y{700}/)
  const { localPort } = visitor.socket as { localPort?: number }
  await until(new RegExp(`ssh +TCP +open +[\\d.]+ m?s +700 B +700 B +127\\.0\\.0\\.1:${localPort}`))
  for (const name of ['app', 'dead'])
    await rawRequest(t, server, `GET /${name} HTTP/1.1\r\nHost: ${name}.localhost\r\nConnection: close\r\n\r\n`)
  await until(/app +GET +200 +[\d.]+ m?s +0 B +1\.0 kB +127\.0\.0\.1 +\/app/)
  await until(/dead +GET +502 .* \/dead .*target-unreachable/)
  visitor.socket.destroy()
  await until(new RegExp(`ssh +TCP +closed .*127\\.0\\.0\\.1:${localPort}`))
  // The payload alone: what visitors sent and got.
  await until(/in 700 B \(\d+ k?B\/s\), out 1\.7 kB/)
  await until(/2 requests, 1 connection \(\d+\/s\), 0 open/)
})
