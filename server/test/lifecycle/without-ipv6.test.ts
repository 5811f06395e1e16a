// A kernel without IPv6: both programs do with IPv4 alone, and say so once.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { leafCertificate } from '../../src/certs/certificate.ts'
import { ask, udpSocket, udpTarget } from '../support/datagrams.ts'
import {
  CLIENT,
  clientEnv,
  freshData,
  program,
  SERVER,
  scratch,
  startClient,
  startServer,
} from '../support/programs.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { untilEnd } from '../support/tcp-visitors.ts'
import { rawRequest, rawVisitor } from '../support/visitors.ts'
import { canBeWithoutIpv6, WITHOUT_IPV6 } from '../support/without-ipv6.ts'

const skip = canBeWithoutIpv6 ? false : 'neither perl nor seccomp can be had here'
const GET = 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'
const ALONE = 'this machine has no IPv6: listening on IPv4 alone'

function times(text: string, part: string): number {
  return text.split(part).length - 1
}

/** Settings of a server with a base domain of its own, which listens on every address unless it is told otherwise. */
function realDomain(t: TestContext): string[] {
  const directory = scratch(t)
  const authority = { name: 'test', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
  writeFileSync(cert, leafCertificate(authority, '*.pbt.test', publicKey, new Date(Date.now() + 90 * 24 * 3_600_000)))
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  return ['--base-domain', 'pbt.test', '--tls-cert', cert, '--tls-key', key]
}

test('H45: a server with a real base domain listens on IPv4 alone, and tells it once', { skip }, async t => {
  const server = await startServer(t, { serverUnder: WITHOUT_IPV6, serverArgs: realDomain(t) })
  assert.equal(times(server.program.stderr, ALONE), 1, server.program.stderr)
  const visitor = await rawVisitor(t, server)
  visitor.send(GET.replace('app.localhost', 'app.pbt.test'))
  await visitor.until(/^HTTP\/1\.1 308 /)
})

for (const [addresses, isSaid] of [
  ['::', true],
  ['::,0.0.0.0', true],
  ['2001:db8::7,127.0.0.1', true],
  ['::1,127.0.0.1', true],
  ['127.0.0.1', false],
] as const) {
  test(`H45: bind-address ${addresses} is every address, or those, of IPv4: for HTTP, TCP and UDP`, {
    skip,
  }, async t => {
    const serverArgs = ['--bind-address', addresses, '--metrics-port', '0']
    const server = await startServer(t, { serverUnder: WITHOUT_IPV6, serverArgs })
    assert.equal(times(server.program.stderr, ALONE), isSaid ? 1 : 0, server.program.stderr)
    const http = await httpTarget(t, (_request, response) => response.end('by http'))
    const tcp = await rawTarget(t, socket => socket.end('by tcp'))
    const udp = await udpTarget(t, datagram => [datagram])
    // The client's kernel has none either.
    const specs = [`http:${http},domain=app`, `tcp:${tcp}`, `udp:${udp.port}`]
    const { client } = await startClient(t, server, ['up', ...specs], { clientUnder: WITHOUT_IPV6 })
    const online = await client.until(() => {
      const found = client.events.filter(({ event }) => event === 'online')
      return found.length === 3 ? found : undefined
    }, 'three tunnels')
    const portOf = (kind: string) => {
      const event = online.find(each => each.kind === kind)
      return Number(new URL(String((event?.urls as readonly unknown[] | undefined)?.[0])).port)
    }
    assert.match(await rawRequest(t, server, GET), /by http$/)
    assert.deepEqual(await untilEnd(connect({ port: portOf('tcp'), host: '127.0.0.1' })), {
      text: 'by tcp',
      end: 'clean',
    })
    assert.equal(String(await ask(await udpSocket(t), portOf('udp'), Buffer.from('by udp'))), 'by udp')
    assert.equal(times(server.program.stderr, ALONE), isSaid ? 1 : 0)
  })
}

test('H45: IPv6 addresses alone end the start with what to do', { skip }, async t => {
  const { dataDir } = await freshData(t)
  const args = [
    'start',
    '--json',
    '--data-dir',
    dataDir,
    '--bind-address',
    '2001:db8::7',
    '--https-port',
    '0',
    '--http-port',
    '0',
  ]
  const server = program(t, SERVER, args, {}, undefined, undefined, undefined, WITHOUT_IPV6)
  const { code, cure } = await server.event('error')
  assert.deepEqual([code, /0\.0\.0\.0 where there is no IPv6/.test(String(cure))], ['address-unavailable', true])
  assert.equal((await server.exited).code, 1)
})

test('H45: pbt tells why nobody answers on localhost, not that there is no IPv6', { skip }, async t => {
  const server = await startServer(t)
  const args = ['up', 'http:1,domain=app', 'udp:1']
  const { client } = await startClient(t, server, args, { clientUnder: WITHOUT_IPV6 })
  await client.until(() => client.events.filter(({ event }) => event === 'online')[1], 'two tunnels')
  assert.match(await rawRequest(t, server, GET), /^HTTP\/1\.1 502 /)
  const plain = program(
    t,
    CLIENT,
    ['http', '1', '--domain', 'plain'],
    clientEnv(t, server),
    undefined,
    undefined,
    undefined,
    WITHOUT_IPV6,
  )
  await plain.until(() => /online/.exec(plain.said) ?? undefined, 'the tunnel')
  assert.match(await rawRequest(t, server, GET.replace('app', 'plain')), /^HTTP\/1\.1 502 /)
  await plain.until(
    () => /could not connect to 127\.0\.0\.1:1: connection refused/.exec(plain.said) ?? undefined,
    'the request',
  )
})

test('H45: pbt that finds no server on localhost says that nobody listens', { skip }, async t => {
  const env = { PBT_HOME: scratch(t), PBT_SERVER: 'localhost:1', PBT_TOKEN: 'token' }
  const client = program(t, CLIENT, ['http', '1', '--json'], env, undefined, undefined, undefined, WITHOUT_IPV6)
  const { reason } = await client.event('reconnecting')
  assert.match(String(reason), /refused|nobody/i)
  assert.doesNotMatch(String(reason), /EAFNOSUPPORT|family/i)
})

test('H45: IPv6 that is switched off by sysctl, as in containers', async t => {
  const off = 'ip link set lo up && echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6'
  if (spawnSync('unshare', ['-n', 'sh', '-c', off]).status !== 0) {
    t.skip('no network namespace can be made here')
    return
  }
  for (const settings of [[], realDomain(t)]) {
    const { dataDir } = await freshData(t)
    const args = ['start', '--json', '--data-dir', dataDir, '--https-port', '0', '--http-port', '0', ...settings]
    const under = ['unshare', '-n', 'sh', '-c', `${off} && exec "$0" "$@"`]
    const server = program(t, SERVER, args, {}, undefined, undefined, undefined, under)
    await server.event('ready')
  }
})
