import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { LookedOutside_Outcome as Outcome } from '@pbt/proto/tunnel/v1'
import { lookOutside } from './look-outside.ts'

const SERVER = { base: 'tunnel.example', port: 443 }
const find = async (host: string) => {
  if (host !== SERVER.base) throw new Error('no such name')
  return ['127.0.0.1', '2001:db8::7']
}

test('a port that answers, and one where nobody listens', async t => {
  const streams = createServer(socket => socket.destroy())
  t.after(() => streams.close())
  streams.listen(0, '127.0.0.1')
  await once(streams, 'listening')
  const { port } = streams.address() as AddressInfo
  const datagrams = createSocket('udp4')
  await new Promise<void>(resolve => datagrams.bind(port, '127.0.0.1', resolve))
  const asked = once(datagrams, 'message') as Promise<[Buffer, { port: number; address: string }]>
  const look = { address: '127.0.0.1', port }
  assert.equal((await lookOutside(SERVER, { ...look, udp: false }, find, [port])).outcome, Outcome.REACHED)
  const seen = lookOutside(SERVER, { ...look, udp: true }, find, [port])
  const [query, from] = await asked
  assert.equal(query.subarray(12).toString('latin1'), '\x04acme\x06tunnel\x07example\0\0\x06\0\x01')
  datagrams.send(query, from.port, from.address)
  assert.deepEqual(await seen, { outcome: Outcome.REACHED, message: 'answered' })

  streams.close()
  datagrams.close()
  for (const udp of [false, true])
    assert.deepEqual(await lookOutside(SERVER, { ...look, udp }, find, [port]), {
      outcome: Outcome.REFUSED,
      message: 'refused',
    })
})

test('nothing else is looked at: other ports, other addresses, and what is none', async () => {
  for (const [address, port, udp, says] of [
    ['127.0.0.1', 22, false, /port 22 is not looked at/],
    ['127.0.0.1', 443, true, /port 443 is not looked at/],
    ['198.51.100.1', 80, false, /does not lead to 198\.51\.100\.1/],
    ['169.254.169.254', 80, false, /does not lead to/],
    ['localhost', 80, false, /does not lead to it/],
    ['', 80, false, /does not lead to it/],
  ] as const) {
    const { outcome, message } = await lookOutside(SERVER, { address, port, udp }, find)
    assert.equal(outcome, Outcome.UNSPECIFIED)
    assert.match(message, says)
  }
})
