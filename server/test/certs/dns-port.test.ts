// The DNS responder of the real server: on its own addresses alone, on sockets of a supervisor too.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type TestContext, test } from 'node:test'
import { decode, encode } from 'dns-packet'
import { lastingPort } from '../support/ports.ts'
import { program, SERVER, startServer } from '../support/programs.ts'

const APEX = 'acme.localhost'
const query = encode({ type: 'query', id: 9, questions: [{ name: APEX, type: 'NS' }] })

/** What systemd does for a socket unit: bound and listening from descriptor 3 on. By perl, which every Debian has. */
const HAND_OVER = `
use Socket; use POSIX;
$^F = 10;
my ($port, @command) = @ARGV;
my $place = pack_sockaddr_in($port, inet_aton('127.0.0.1'));
my ($datagrams, $stream);
socket($datagrams, PF_INET, SOCK_DGRAM, 0) and bind($datagrams, $place) or die "udp: $!";
socket($stream, PF_INET, SOCK_STREAM, 0) and setsockopt($stream, SOL_SOCKET, SO_REUSEADDR, 1) and bind($stream, $place) and listen($stream, 100) or die "tcp: $!";
my ($one, $two) = (POSIX::dup2(fileno($datagrams), 8), POSIX::dup2(fileno($stream), 9));
POSIX::dup2(8, 3); POSIX::dup2(9, 4);
$ENV{LISTEN_FDS} = 2;
exec @command or die;
`

/** On a socket that takes answers from the address that was asked alone. */
async function overUdp(t: TestContext, port: number, address: string): Promise<ReturnType<typeof decode>> {
  const socket = createSocket('udp4')
  t.after(() => socket.close())
  const reply = once(socket, 'message', { signal: AbortSignal.timeout(20_000) }) as Promise<[Buffer]>
  await new Promise<void>(resolve => socket.connect(port, address, resolve))
  socket.send(query)
  return decode((await reply)[0])
}

async function overTcp(t: TestContext, port: number, address: string): Promise<ReturnType<typeof decode>> {
  const socket = connect(port, address)
  t.after(() => socket.destroy())
  socket.write(Buffer.concat([Buffer.from([0, query.length]), query]))
  const [reply] = (await once(socket, 'data', { signal: AbortSignal.timeout(20_000) })) as [Buffer]
  return decode(reply.subarray(2))
}

async function answers(t: TestContext, port: number, address = '127.0.0.1'): Promise<void> {
  for (const ask of [overUdp, overTcp]) {
    const { flag_aa, answers: found = [] } = await ask(t, port, address)
    assert.deepEqual([flag_aa, found.map(each => each.type === 'NS' && each.data)], [true, ['localhost']])
  }
}

test('row 6: another resolver on 127.0.0.53 is no hindrance, and a taken address is told with the setting that helps', async t => {
  const port = await lastingPort()
  const resolver = createSocket('udp4')
  t.after(() => resolver.close())
  await new Promise<void>(resolve => resolver.bind(port, '127.0.0.53', resolve))
  const server = await startServer(t, { serverArgs: ['--dns-port', String(port), '--dns-address', '127.0.0.1'] })
  assert.equal((await server.program.event('ready')).dns, port)
  await answers(t, port)

  for (const [address, code, words] of [
    ['127.0.0.53', 'port-taken', /127\.0\.0\.53 port \d+ \(dns-port\): another program.*--dns-address/s],
    ['203.0.113.7', 'address-unavailable', /203\.0\.113\.7.*no such address.*--dns-address.*NAT/s],
  ] as const) {
    await server.program.end()
    const args = ['start', '--json', '--https-port', '0', '--http-port', '0', '--data-dir', server.dataDir]
    const other = program(t, SERVER, [...args, '--dns-port', String(port), '--dns-address', address])
    const error = await other.event('error')
    assert.equal(error.code, code)
    assert.match(`${error.message}\n${error.cure}`, words)
    await other.exited
  }
})

test('row 6: 0.0.0.0 answers on each address of the interfaces, from that address, and leaves those of loopback to others', async t => {
  const outside = Object.values(networkInterfaces()).flatMap(each => each ?? [])
  const addresses = outside.filter(({ internal, family }) => !internal && family === 'IPv4').map(each => each.address)
  if (addresses.length === 0) {
    t.skip('this machine has no network interface with an IPv4 address')
    return
  }
  const port = await lastingPort()
  const resolver = createSocket('udp4')
  t.after(() => resolver.close())
  await new Promise<void>(resolve => resolver.bind(port, '127.0.0.1', resolve))
  await startServer(t, { serverArgs: ['--dns-port', String(port), '--dns-address', '0.0.0.0'] })
  for (const address of addresses) await answers(t, port, address)
})

test('sockets for DNS that a supervisor has bound are used', async t => {
  const port = await lastingPort()
  const server = await startServer(t, {
    serverArgs: ['--dns-port', String(port), '--dns-address', '127.0.0.1'],
    serverUnder: ['perl', '-e', HAND_OVER, '--', String(port)],
  })
  await answers(t, port)
  assert.doesNotMatch(server.program.stderr, /inherited/)
})
