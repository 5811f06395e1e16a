// A household for pictures of the panel: two machines with tunnels of every kind, visitors who are let in and turned away, and domains
// that have their certificate, wait and are refused.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { AddressService, Allowlist_Access, DomainService, TunnelService } from '@pbt/proto/admin/v1'
import { startPebble } from '../certs/support/pebble.ts'
import { TestDns } from '../certs/support/test-dns.ts'
import { apiClient } from './api-client.ts'
import { udpSocket, udpTarget } from './datagrams.ts'
import { lastingPort } from './ports.ts'
import { type Cleaner, type RunningServer, startClient, startServer } from './programs.ts'
import { httpTarget, rawTarget } from './targets.ts'
import { acceptUpgrade, upgradeRequest } from './websocket.ts'

const HERE = '127.0.0.1'
const ISSUED = 'www.mine.test'
const WAITING = 'shop.mine.test'
const REFUSED = 'refused.mine.test'
const RECORDS = [`localhost A ${HERE}`, 'mine.test NS ns.mine.test', `${ISSUED} A ${HERE}`, `${REFUSED} A ${HERE}`]
/** As long as a label may be (RFC 1035 section 2.3.4). */
export const LONGEST = `a-name-that-is-as-long-as-any-may-be-${'x'.repeat(26)}`
/** bücher */
const OTHER_SCRIPT = 'xn--bcher-kva'
/** Nothing listens there. */
const CLOSED_PORT = 9

/** A client on a machine with this name. */
const named = (name: string) => ['unshare', '--uts', '/bin/sh', '-c', `hostname ${name} && exec "$0" "$@"`]

/** Running, with things that went on and things that go on. */
export async function startStory(t: Cleaner): Promise<RunningServer> {
  const ports = { https: await lastingPort(), http: await lastingPort() }
  const dns = await TestDns.start(t, HERE, 0, true, { records: RECORDS })
  const dnsServer = `${HERE}:${dns.port}`
  const pebble = await startPebble(t, { dnsServer, httpPort: ports.http, config: { domainBlocklist: [REFUSED] } })
  const serverArgs = ['--acme-directory', pebble.directory, '--acme-ca', pebble.caFile, '--dns-resolver', dnsServer]
  const server = await startServer(t, { ports, serverArgs: [...serverArgs, '--public-address', HERE] })
  const tcp = await startNas(t, server)
  await startLaptop(t, server)
  await hold(t, server, tcp)
  await beVisited(server)
  await decide(t, server)
  return server
}

/** Everything that serves; resolves with the public port of `ssh`. */
async function startNas(t: Cleaner, server: RunningServer): Promise<number> {
  const web = await httpTarget(
    t,
    ({ url = '/' }, response) => {
      if (url.startsWith('/broken')) response.statusCode = 500
      if (url.startsWith('/missing')) response.statusCode = 404
      response.end('here '.repeat(url.length * 20))
    },
    service => service.on('upgrade', acceptUpgrade),
  )
  const raw = await rawTarget(t, socket => void socket.write('SSH-2.0-OpenSSH_9.2p1\r\n'))
  const { port: udp } = await udpTarget(t, datagram => [datagram])
  const specs = [
    ...['git', 'photos', LONGEST, OTHER_SCRIPT, ISSUED].map(name => `http:${web},domain=${name}`),
    `http:${CLOSED_PORT},domain=plex`,
    `tcp:${raw},name=ssh`,
    `udp:${udp},name=game`,
  ]
  const { client } = await startClient(t, server, ['up', ...specs], { clientUnder: named('nas') })
  const all = await client.until(() => {
    const online = client.events.filter(({ event }) => event === 'online')
    return online.length >= specs.length ? online : undefined
  }, 'every tunnel')
  const portOf = (scheme: string) =>
    Number(
      all
        .flatMap(({ urls }) => urls as string[])
        .find(url => url.startsWith(scheme))
        ?.split(':')
        .at(-1),
    )
  const flow = await udpSocket(t)
  flow.send('hello', portOf('udp:'), HERE)
  return portOf('tcp:')
}

/** Was there, and is away. */
async function startLaptop(t: Cleaner, server: RunningServer): Promise<void> {
  const web = await httpTarget(t, (_request, response) => void response.end('draft'))
  const args = ['up', `http:${web},domain=blog`, `http:${web},domain=draft`]
  const { client } = await startClient(t, server, args, { clientUnder: named('laptop') })
  await client.end('SIGTERM')
}

/** Connections that stay open. */
async function hold(t: Cleaner, server: RunningServer, tcp: number): Promise<void> {
  for (const from of ['127.0.0.21', '127.0.0.22']) {
    const socket = await opened(tcp, from)
    t.after(() => socket.destroy())
  }
  for (const from of ['127.0.0.31', '127.0.0.32', '127.0.0.33']) {
    const socket = await opened(server.http, from)
    t.after(() => socket.destroy())
    socket.write(upgradeRequest(`/socket?from=${from}`, 'photos.localhost'))
    await once(socket, 'data')
  }
}

async function beVisited(server: RunningServer): Promise<void> {
  const paths = [
    '/',
    '/user/repo.git/info/refs?service=git-upload-pack',
    '/missing',
    '/broken',
    `/${'deep/'.repeat(30)}`,
  ]
  for (const host of ['git', 'photos', OTHER_SCRIPT, LONGEST])
    for (const path of [...paths, ...paths])
      for (const from of ['127.0.0.11', '127.0.0.12', HERE]) await visit(server, `${host}.localhost`, path, from)
  for (const from of ['127.0.0.11', HERE]) await visit(server, 'plex.localhost', '/web/index.html', from)
  await visit(server, 'blog.localhost', '/', '127.0.0.12')
}

/** The owner's part: lists, a pause, reserved addresses, domains; and who is turned away then. */
async function decide(t: Cleaner, server: RunningServer): Promise<void> {
  const owner = { address: apiClient(t, server, AddressService), tunnel: apiClient(t, server, TunnelService) }
  await owner.address.setAllowlist({
    address: 'git',
    allowlist: {
      access: Allowlist_Access.LISTED,
      entries: [{ block: '203.0.113.0/24' }, { block: '127.0.0.11/32', note: 'office' }],
    },
  })
  await owner.address.reserveAddress({ address: 'wiki', note: 'for the family' })
  await owner.address.reserveAddress({ address: 'tcp+udp:27015' })
  await owner.tunnel.pauseTunnel({ name: OTHER_SCRIPT })
  const domains = apiClient(t, server, DomainService)
  for (const domain of [WAITING, REFUSED]) await domains.addDomain({ domain })
  for (let time = 0; time < 4; time++) await visit(server, 'git.localhost', '/admin', '127.0.0.66')
  await visit(server, 'git.localhost', '/', HERE)
  await visit(server, `${OTHER_SCRIPT}.localhost`, '/', '127.0.0.12')
  for (let time = 0; time < 30; time++) await visit(server, 'wp-admin.localhost', '/wp-login.php', '127.0.0.99')
}

async function visit(server: RunningServer, host: string, path: string, from: string): Promise<void> {
  const socket = await opened(server.http, from)
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  socket.resume()
  await once(socket, 'close')
}

async function opened(port: number, from: string): Promise<Socket> {
  const socket = connect({ port, host: HERE, localAddress: from })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}
