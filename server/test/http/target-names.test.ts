// Targets by name whose address changes while visitors go on: all of them reach the new one.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createHttp2, type Http2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { udpSocket } from '../support/datagrams.ts'
import { CLIENT, clientEnv, program, scratch, startServer } from '../support/programs.ts'
import { http2Request, http2Visitor, rawVisitor } from '../support/visitors.ts'

const [OLD, NEW] = ['127.0.0.1', '127.0.0.2']
const NAMES = new URL('../support/names.mjs', import.meta.url).href
/** Half a minute, and a busy machine. */
const RENEWED_MS = 60_000
const EVERY_MS = 100

async function listen<T extends Server | Http2Server>(t: TestContext, server: T, address: string, port = 0) {
  server.listen(port, address)
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

/** A UDP service that tells its address until it is `left`. */
async function udpService(t: TestContext, address: string, port: number) {
  const socket = createSocket('udp4').bind(port, address)
  await once(socket, 'listening')
  let isClosed = false
  const close = () => {
    if (!isClosed) socket.close()
    isClosed = true
  }
  t.after(close)
  const service = { port: socket.address().port, isLeft: false, close }
  socket.on('message', (_, from) => {
    if (!service.isLeft) socket.send(address, from.port, from.address)
  })
  return service
}

/** Services of all kinds on both addresses, which tell where they are. */
async function services(t: TestContext) {
  const [silent, gone] = [await udpService(t, OLD, 0), await udpService(t, OLD, 0)]
  for (const { port } of [silent, gone]) await udpService(t, NEW, port)
  const ports = { http: 0, h2c: 0 }
  for (const address of [OLD, NEW]) {
    const http = createServer((_request, response) => response.end(address))
    t.after(() => http.closeAllConnections())
    ports.http = await listen(t, http, address, ports.http)
    const h2c = createHttp2((_request, response) => response.end(address))
    h2c.on('session', session => t.after(() => session.destroy()))
    ports.h2c = await listen(t, h2c, address, ports.h2c)
  }
  return { silent, gone, ports }
}

/** Asks again and again until the answer is this one. */
async function until(answer: () => Promise<string | undefined>, expected: string): Promise<number> {
  const began = performance.now()
  while ((await answer()) !== expected) {
    assert.ok(performance.now() - began < RENEWED_MS, `no ${expected} within ${RENEWED_MS} ms`)
    await new Promise(resolve => setTimeout(resolve, EVERY_MS))
  }
  return performance.now() - began
}

/** A visitor's question to the port, and the answer if there is one. */
async function udpAsker(t: TestContext, port: number): Promise<() => Promise<string | undefined>> {
  const socket = await udpSocket(t)
  return async () => {
    socket.send('where?', port, '127.0.0.1')
    const answer = await once(socket, 'message', { signal: AbortSignal.timeout(EVERY_MS) }).catch(() => [])
    return answer.length === 0 ? undefined : String(answer[0])
  }
}

test('H15: a target whose name gets another address is reached there by visitors who go on, over UDP, HTTP and h2c', async t => {
  const { silent, gone, ports } = await services(t)
  const names = join(scratch(t), 'names.json')
  const lead = (service: string, other: string) =>
    writeFileSync(names, JSON.stringify({ 'service.test': service, 'other.test': other }))
  lead(OLD, OLD)
  const server = await startServer(t)
  const specs = [
    `udp:service.test:${silent.port}`,
    `udp:other.test:${gone.port}`,
    `http:service.test:${ports.http},domain=app`,
    `http:service.test:${ports.h2c},domain=grpc,target-protocol=h2c`,
  ]
  const env = { ...clientEnv(t, server), NODE_OPTIONS: `--import=${NAMES}`, PBT_TEST_NAMES: names }
  const client = program(t, CLIENT, ['up', ...specs, '--json'], env)
  const online = await client.until(() => {
    const found = client.events.filter(({ event }) => event === 'online')
    return found.length === specs.length ? found : undefined
  }, 'all tunnels')
  const portOf = (target: string) => {
    const [url] = (online.find(event => event.target === target)?.urls ?? []) as string[]
    return Number(new URL(String(url)).port)
  }
  const asker = await udpAsker(t, portOf(`service.test:${silent.port}`))
  const other = await udpAsker(t, portOf(`other.test:${gone.port}`))
  const web = await rawVisitor(t, server)
  const http = async () => {
    const before = web.text.length
    web.send('GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n')
    await web.until(() => /127\.0\.0\.\d(\r\n0\r\n\r\n)?$/.test(web.text.slice(before)))
    return /127\.0\.0\.\d/.exec(web.text.slice(before))?.[0]
  }
  const grpc = await http2Visitor(t, server, 'grpc.localhost')
  const h2c = async () => String((await http2Request(grpc, {})).body)
  for (const answer of [asker, other, http, h2c]) await until(answer, OLD)

  // One that refuses is left at once.
  gone.close()
  lead(OLD, NEW)
  const ms = await until(other, NEW)
  assert.ok(ms < 10_000, `${ms} ms`)
  // The others are there still, and one does not answer any more.
  silent.isLeft = true
  lead(NEW, NEW)
  const took = await Promise.all([asker, http, h2c].map(answer => until(answer, NEW)))
  t.diagnostic(`after ${took.map(each => (each / 1_000).toFixed(1)).join(', ')} s`)
})
