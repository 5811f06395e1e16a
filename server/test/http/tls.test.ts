// The TLS of the edge: which certificate is shown, which ciphers are spoken, what resumes, and what is refused.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { type ConnectionOptions, connect, getCiphers, type TLSSocket } from 'node:tls'
import { FakeClock } from '@pbt/proto/testing'
import { TrustedProxies } from '../../src/access/trusted-proxies.ts'
import { VisitorLimits } from '../../src/access/visitor-limits.ts'
import { type Authority, leafCertificate } from '../../src/certs/certificate.ts'
import { openDevelopmentAuthority } from '../../src/certs/development-authority.ts'
import { DevelopmentSource } from '../../src/certs/development-source.ts'
import { FileSource } from '../../src/certs/file-source.ts'
import { Edge } from '../../src/edge/edge.ts'
import { IGNORED } from '../../src/edge/testing/access.ts'
import { openLog } from '../../src/observe/log.ts'
import type { Keyring } from '../../src/relay/keyring.ts'
import { scratch, startPbt } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const GET = 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'
const LOG = openLog({ level: 'error', stream: new PassThrough().resume(), isForPeople: false })

/** Shakes hands; the socket, or the code with which it failed. Without `servername` none is named. */
async function handshake(t: TestContext, port: number, options: ConnectionOptions): Promise<TLSSocket | string> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  t.after(() => socket.destroy())
  const failed = new Promise<string>(resolve => {
    socket.on('error', error => resolve('code' in error ? String(error.code) : error.message))
    socket.on('close', () => resolve('closed'))
  })
  return await Promise.race([once(socket, 'secureConnect').then(() => socket), failed])
}

async function shakes(t: TestContext, port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = await handshake(t, port, options)
  if (typeof socket === 'string') return assert.fail(`no handshake: ${socket}`)
  return socket
}

/** The name of the certificate that is shown. */
async function shown(t: TestContext, port: number, options: ConnectionOptions = {}): Promise<string> {
  const socket = await handshake(t, port, options)
  return typeof socket === 'string' ? socket : String(socket.getPeerCertificate().subject.CN)
}

/** Shakes hands, with a ticket if there is one; whether it was taken, the ticket for the next time, and the answer. */
async function visit(t: TestContext, port: number, options: ConnectionOptions, request = GET) {
  const socket = connect({ port, host: '127.0.0.1', ...options })
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  let ticket = options.session
  socket.on('session', sealed => {
    ticket = sealed
  })
  const closed = once(socket, 'close')
  await once(socket, 'secureConnect')
  const isResumed = socket.isSessionReused()
  let answer = ''
  socket.on('data', chunk => {
    answer += chunk
  })
  socket.write(request)
  await closed
  return { isResumed, ticket, answer }
}

/** An edge that knows no tunnels, and its https port. */
async function openEdge(t: TestContext, clock: FakeClock, keyring: Keyring, baseDomain = 'localhost'): Promise<number> {
  const edge = new Edge({
    baseDomain,
    tunnels: { lookup: () => ({ state: 'unknown' }), whenKnown: () => undefined },
    keyring,
    acceptLink: socket => socket.resume(),
    acceptAdmin: socket => socket.resume(),
    servesPlainHttp: true,
    responseTimeoutMs: 0,
    leastBodyRate: 0,
    proxies: new TrustedProxies([]),
    limits: new VisitorLimits({ clock, descriptors: 1_024, perAddress: 500, newPerSecond: 500, isProxy: () => false }),
    clock,
    access: IGNORED,
    log: LOG,
  })
  t.after(() => edge.close())
  const listen = { port: 0, addresses: ['127.0.0.1'] }
  await edge.listen(listen, listen)
  return edge.ports.https
}

/** With certificates of its own, and its authority. */
async function openDevelopment(t: TestContext, clock = new FakeClock()) {
  const dataDir = join(scratch(t), 'data')
  mkdirSync(dataDir)
  const authority = openDevelopmentAuthority(dataDir)
  return { https: await openEdge(t, clock, new DevelopmentSource(authority)), ca: readFileSync(authority.file) }
}

/** With the owner's files, one pair for each name, which `write` replaces; a name with "rsa" in it has such a key. */
async function openFiles(t: TestContext, names: readonly string[]) {
  const directory = scratch(t)
  const authority: Authority = { name: 'test', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
  const write = (at: number, name: string) => {
    const { publicKey, privateKey } = name.includes('rsa')
      ? generateKeyPairSync('rsa', { modulusLength: 2_048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const files = { certificate: join(directory, `${at}.pem`), key: join(directory, `${at}.key`) }
    writeFileSync(files.certificate, leafCertificate(authority, name, publicKey, new Date(Date.now() + 90 * DAY_MS)))
    writeFileSync(files.key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
    return files
  }
  const files = names.map((name, at) => write(at, name))
  const keyring = new FileSource({ files, baseDomain: 'pbt.test', log: LOG, changed: () => {} })
  t.after(() => keyring.close())
  return { https: await openEdge(t, new FakeClock(), keyring, 'pbt.test'), keyring, write }
}

test('I9: a ticket resumes until its key has gone, which is after twelve hours at the latest, over TLS 1.2 and 1.3', async t => {
  const clock = new FakeClock()
  const { https, ca } = await openDevelopment(t, clock)
  const names = [{ servername: 'app.localhost' }, {}]
  for (const [version, named] of (['TLSv1.2', 'TLSv1.3'] as const).flatMap(each =>
    names.map(name => [each, name] as const),
  )) {
    const options = { ...named, ca, minVersion: version, maxVersion: version }
    const what = `${version} ${JSON.stringify(named)}`
    const again = (session: Buffer | undefined) => visit(t, https, { ...options, ...(session && { session }) })
    const first = await again(undefined)
    assert.equal(first.isResumed, false)
    clock.advance(11 * HOUR_MS)
    const second = await again(first.ticket)
    assert.equal(second.isResumed, true, what)
    clock.advance(HOUR_MS)
    for (const { ticket } of [first, second]) {
      assert.equal((await again(ticket)).isResumed, false, `${what}: an old ticket was taken`)
    }
    const third = await again(undefined)
    assert.equal((await again(third.ticket)).isResumed, true, what)
  }
})

test('the cipher is AES with 128 bits for who speaks it, and what the visitor speaks for others', async t => {
  const { https, ca } = await openDevelopment(t)
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

test('I9: only ciphers that authenticate and keep nothing for later are spoken, whatever a visitor offers', async t => {
  const good = /^ECDHE-(ECDSA|RSA)-(AES(128|256)-GCM-SHA(256|384)|CHACHA20-POLY1305)$/
  const offered = getCiphers()
    .map(name => name.toUpperCase())
    .filter(name => !name.startsWith('TLS_'))
  assert.ok(offered.length > 20)
  const spoken: string[] = []
  const { https } = await openFiles(t, ['*.pbt.test', 'rsa.mine.test'])
  for (const servername of ['app.pbt.test', 'rsa.mine.test']) {
    for (const name of offered) {
      const options = { servername, maxVersion: 'TLSv1.2', ciphers: `${name}:@SECLEVEL=0` } as const
      const socket = await handshake(t, https, options)
      if (typeof socket === 'string') continue
      spoken.push(socket.getCipher().name)
      socket.destroy()
    }
  }
  assert.deepEqual(
    spoken.filter(name => !good.test(name)),
    [],
  )
  assert.equal(new Set(spoken).size, 6, spoken.join())
})

test('I9: nobody shakes hands again on a connection, and whoever tries disturbs no other', async t => {
  const { https, ca } = await openDevelopment(t)
  for (const named of [{ servername: 'app.localhost' }, {}, { servername: 'link.localhost' }]) {
    const other = await shakes(t, https, { servername: 'app.localhost', ca })
    const socket = await shakes(t, https, { ...named, ca, maxVersion: 'TLSv1.2' })
    const refused = new Promise<string>(resolve => {
      socket.on('error', error => resolve('code' in error ? String(error.code) : error.message))
      socket.on('close', () => resolve('closed'))
    })
    const isAgain = new Promise<string>(resolve => {
      socket.renegotiate({ rejectUnauthorized: false }, error =>
        resolve(error === null ? 'shook hands again' : 'refused'),
      )
    })
    assert.match(await Promise.race([refused, isAgain]), /NO_RENEGOTIATION/)
    socket.destroy()
    const closed = once(other, 'close')
    other.resume().write(GET)
    await closed
  }
  assert.match((await visit(t, https, { servername: 'app.localhost', ca })).answer, /^HTTP\/1\.1 404 /)
})

test('I9: an application protocol that is not spoken ends the handshake with its alert', async t => {
  const { https, ca } = await openDevelopment(t)
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const named of [{ servername: 'app.localhost' }, {}]) {
      const options = { ...named, ca, minVersion: version, maxVersion: version }
      const alert = await handshake(t, https, { ...options, ALPNProtocols: ['spdy/3', 'h3'] })
      assert.match(String(alert), /NO_APPLICATION_PROTOCOL/)
      const socket = await shakes(t, https, { ...options, ALPNProtocols: ['h3', 'h2'] })
      assert.equal(socket.alpnProtocol, 'h2')
    }
  }
})

test("I9: a connection that names no server is shown the base domain's certificate, and the new one after a reload", async t => {
  const { https, keyring, write } = await openFiles(t, ['app.mine.test', '*.pbt.test'])
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    assert.equal(await shown(t, https, { maxVersion }), '*.pbt.test')
    assert.equal(await shown(t, https, { maxVersion, servername: 'app.mine.test' }), 'app.mine.test')
    const refusal = await shown(t, https, { maxVersion, servername: 'nobody.test' })
    assert.match(refusal, /ALERT_HANDSHAKE_FAILURE/, 'a name without a certificate is not shown another one')
  }
  const options = { rejectUnauthorized: false, maxVersion: 'TLSv1.2' } as const
  const { ticket } = await visit(t, https, options)
  write(1, 'link.pbt.test')
  keyring.reload()
  assert.equal(await shown(t, https), 'link.pbt.test')
  assert.ok(ticket !== undefined)
  assert.equal((await visit(t, https, { ...options, session: ticket })).isResumed, true)
  assert.match(await shown(t, https, { servername: 'nobody.test' }), /ALERT_HANDSHAKE_FAILURE/)
})

test('a name is shown its own certificate alone, whatever kind of key that has and the visitor asks for', async t => {
  const { https } = await openFiles(t, ['*.pbt.test', 'rsa.mine.test'])
  const asks = [
    ['TLSv1.2', { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }, 'ec'],
    ['TLSv1.2', { ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' }, 'rsa'],
    ['TLSv1.3', { sigalgs: 'ecdsa_secp256r1_sha256' }, 'ec'],
    ['TLSv1.3', { sigalgs: 'rsa_pss_rsae_sha256' }, 'rsa'],
  ] as const
  for (const [version, asked, kind] of asks) {
    const options = { ...asked, minVersion: version, maxVersion: version }
    for (const [servername, certificate, key] of [
      [undefined, '*.pbt.test', 'ec'],
      ['app.pbt.test', '*.pbt.test', 'ec'],
      ['rsa.mine.test', 'rsa.mine.test', 'rsa'],
    ] as const) {
      const name = await shown(t, https, { ...options, ...(servername === undefined ? {} : { servername }) })
      if (key === kind) assert.equal(name, certificate)
      else assert.match(name, /ALERT_HANDSHAKE_FAILURE/, `${servername} ${kind}`)
    }
  }
})

test('B4: without a server name a host is served that the certificate covers', async t => {
  const { https } = await openFiles(t, ['app.mine.test', '*.pbt.test'])
  const statusOf = async (host: string) => {
    const { answer } = await visit(t, https, { rejectUnauthorized: false }, GET.replace('app.localhost', host))
    return answer.slice(9, 12)
  }
  assert.equal(await statusOf('app.pbt.test'), '404')
  assert.equal(await statusOf('app.mine.test'), '421')
  assert.equal(await statusOf('admin.pbt.test'), '421')
  const session = connectHttp2(`https://127.0.0.1:${https}`, { rejectUnauthorized: false })
  session.on('error', () => {})
  t.after(() => session.destroy())
  for (const [authority, status] of [
    ['app.pbt.test', 404],
    ['app.mine.test', 421],
  ] as const) {
    const stream = session.request({ ':path': '/', ':authority': authority })
    const [headers] = await once(stream, 'response')
    assert.equal(headers[':status'], status, authority)
    stream.resume()
  }
})

test('I9: without a name and without a certificate for that the handshake fails, and names are served as before', async t => {
  const dataDir = join(scratch(t), 'data')
  mkdirSync(dataDir)
  const own = new DevelopmentSource(openDevelopmentAuthority(dataDir))
  const pair = own.unnamed
  let unnamed: typeof pair | undefined
  const port = await openEdge(t, new FakeClock(), {
    contextFor: name => own.contextFor(name),
    covers: (name, host) => own.covers(name, host),
    get unnamed() {
      return unnamed
    },
  })
  for (const [certificate, isShown] of [
    [undefined, false],
    [pair, true],
    [undefined, false],
    [{ cert: 'nonsense', key: 'nonsense' }, false],
    [pair, true],
  ] as const) {
    unnamed = certificate
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const name = await shown(t, port, { maxVersion })
      if (isShown) assert.equal(name, 'localhost')
      else assert.match(name, /ALERT_HANDSHAKE_FAILURE/)
      assert.equal(await shown(t, port, { maxVersion, servername: 'app.localhost' }), 'app.localhost')
    }
  }
})

test('I9: the real programs serve a visitor without a server name, and one that leaves in the middle harms nobody', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('hello'))
  const { server } = await startPbt(t, target)
  const ca = readFileSync(server.ca)
  for (let count = 0; count < 5; count++) {
    const half = connectTcp({ port: server.https, host: '127.0.0.1' })
    half.on('error', () => {})
    t.after(() => half.destroy())
    // A record's head, and nothing of the hello that it announces.
    half.end(Buffer.from('160301020001', 'hex'))
    assert.match((await visit(t, server.https, { ca })).answer, /^HTTP\/1\.1 200 [\s\S]*hello$/)
  }
})
