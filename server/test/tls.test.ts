// The keys that seal TLS tickets change: what was sealed with an old one is of no use, and who comes back shakes hands anew.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect } from 'node:tls'
import { FakeClock } from '@pbt/proto/testing'
import { TrustedProxies } from '../src/access/trusted-proxies.ts'
import { VisitorLimits } from '../src/access/visitor-limits.ts'
import { openDevelopmentAuthority } from '../src/certs/development-authority.ts'
import { DevelopmentKeyring } from '../src/certs/development-keyring.ts'
import { Edge } from '../src/edge/edge.ts'
import { IGNORED } from '../src/edge/testing/access.ts'
import { openLog } from '../src/observe/log.ts'
import { scratch } from './support/programs.ts'

const HOUR_MS = 3_600_000
const GET = 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'

/** Shakes hands, with a ticket if there is one; whether it was taken, and the ticket for the next time. */
async function visit(t: TestContext, port: number, ca: Buffer, version: 'TLSv1.2' | 'TLSv1.3', session?: Buffer) {
  const socket = connect({
    ...{ port, host: '127.0.0.1', servername: 'app.localhost', ca, minVersion: version, maxVersion: version },
    ...(session === undefined ? {} : { session }),
  })
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  let ticket = session
  socket.on('session', sealed => {
    ticket = sealed
  })
  const closed = once(socket, 'close')
  await once(socket, 'secureConnect')
  const isResumed = socket.isSessionReused()
  socket.write(GET)
  socket.resume()
  await closed
  return { isResumed, ticket }
}

/** An edge with certificates of its own, its https port and its authority. */
async function openEdge(t: TestContext, clock: FakeClock) {
  const dataDir = join(scratch(t), 'data')
  mkdirSync(dataDir)
  const keyring = new DevelopmentKeyring(openDevelopmentAuthority(dataDir))
  const edge = new Edge({
    baseDomain: 'localhost',
    tunnels: { lookup: () => ({ state: 'unknown' }), whenKnown: () => undefined },
    keyring,
    acceptLink: socket => socket.destroy(),
    servesPlainHttp: true,
    responseTimeoutMs: 0,
    leastBodyRate: 0,
    proxies: new TrustedProxies([]),
    limits: new VisitorLimits({ clock, descriptors: 1_024, perAddress: 100, newPerSecond: 100, isProxy: () => false }),
    clock,
    access: IGNORED,
    log: openLog({ level: 'error', stream: process.stderr, isForPeople: false }),
  })
  t.after(() => edge.close())
  const listen = { port: 0, addresses: ['127.0.0.1'] }
  const { https } = await edge.listen(listen, listen)
  return { https, ca: readFileSync(keyring.authorityFile) }
}

test('I9: a ticket resumes until its key has gone, which is after twelve hours at the latest, over TLS 1.2 and 1.3', async t => {
  const clock = new FakeClock()
  const { https, ca } = await openEdge(t, clock)
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const first = await visit(t, https, ca, version)
    assert.equal(first.isResumed, false)
    clock.advance(11 * HOUR_MS)
    const second = await visit(t, https, ca, version, first.ticket)
    assert.equal(second.isResumed, true, version)
    clock.advance(HOUR_MS)
    for (const { ticket } of [first, second]) {
      assert.equal((await visit(t, https, ca, version, ticket)).isResumed, false, `${version}: an old ticket was taken`)
    }
    const third = await visit(t, https, ca, version)
    assert.equal((await visit(t, https, ca, version, third.ticket)).isResumed, true, version)
  }
})

test('the cipher is AES with 128 bits for who speaks it, and what the visitor speaks for others', async t => {
  const { https, ca } = await openEdge(t, new FakeClock())
  for (const [ciphers, maxVersion, expected] of [
    [undefined, 'TLSv1.3', 'TLS_AES_128_GCM_SHA256'],
    [undefined, 'TLSv1.2', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
    ['TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256', 'TLSv1.3', 'TLS_AES_128_GCM_SHA256'],
    ['TLS_AES_256_GCM_SHA384', 'TLSv1.3', 'TLS_AES_256_GCM_SHA384'],
    ['TLS_CHACHA20_POLY1305_SHA256', 'TLSv1.3', 'TLS_CHACHA20_POLY1305_SHA256'],
  ] as const) {
    const socket = connect({ port: https, host: '127.0.0.1', servername: 'app.localhost', ca, ciphers, maxVersion })
    t.after(() => socket.destroy())
    await once(socket, 'secureConnect')
    assert.equal(socket.getCipher().name, expected, `${ciphers} ${maxVersion}`)
  }
})
