// Packets of QUIC's servers: the examples of its RFCs, and those of a second implementation.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { QUIC_V2, quicPackets, someId } from '../testing/handshakes.ts'
import { isServerInitial, isServerRetry } from './quic-secrets.ts'

const { serverInitial, serverRetry } = quicPackets
const FIRST = Buffer.from('8394c8f03e515708', 'hex')
/** Where the ids of the examples end: none of the visitor, eight bytes of the server. */
const AFTER = 15

/** RFC 9001 appendix A.3 and A.4, RFC 9369 appendix A.3 and A.4. */
const EXAMPLES = {
  initials: [
    `cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a
     5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3
     dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84
     022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc4
     2158407dd074ee`,
    `dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698
     baeea26b91eb761d9b89237bbf87263017915358230035f7fd3945d88965cf17
     f9af6e16886c61bfc703106fbaf3cb4cfa52382dd16a393e42757507698075b2
     c984c707f0a0812d8cd5a6881eaf21ceda98f4bd23f6fe1a3e2c43edd9ce7ca8
     4bed8521e2e140`,
  ],
  retries: [
    'ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba',
    'cf6b3343cf0008f067a5502a4262b5746f6b656ec8646ce8bfe33952d955543665dcc7b6',
  ],
}

function text(id: Buffer): string {
  return id.toString('latin1')
}

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')
}

/** The datagram with each single bit of some bytes changed. */
function* changed(datagram: Buffer): Generator<Buffer> {
  for (let at = AFTER; at < datagram.length; at++) {
    const copy = Buffer.from(datagram)
    copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8))
    yield copy
  }
}

test('F11: the examples of RFC 9001 and RFC 9369 are a server of QUIC', () => {
  for (const initial of EXAMPLES.initials.map(bytesOf)) {
    assert.ok(isServerInitial(initial, AFTER, text(FIRST)))
    assert.ok(!isServerInitial(initial, AFTER, text(FIRST.subarray(1))))
    for (const copy of changed(initial)) assert.ok(!isServerInitial(copy, AFTER, text(FIRST)))
    // What comes behind it in the datagram is another packet.
    assert.ok(isServerInitial(Buffer.concat([initial, someId(100)]), AFTER, text(FIRST)))
  }
  for (const retry of EXAMPLES.retries.map(bytesOf)) {
    assert.ok(isServerRetry(retry, text(FIRST)))
    assert.ok(!isServerRetry(retry, text(FIRST.subarray(1))))
    for (const copy of changed(retry)) assert.ok(!isServerRetry(copy, text(FIRST)))
  }
})

test('F11: packets of a second implementation are opened, whatever the ids, and nothing cut short is or throws', () => {
  const id = fc.integer({ min: 0, max: 20 }).map(someId)
  const version = fc.constantFrom(1, QUIC_V2)
  fc.assert(
    fc.property(
      id,
      id,
      id,
      version,
      fc.integer({ min: 100, max: 1_400 }),
      fc.nat(1_400),
      (first, to, from, version, bytes, cut) => {
        const after = 7 + to.length + from.length
        const initial = serverInitial(first, { to, from, version, bytes })
        assert.equal(initial.length, bytes)
        assert.ok(isServerInitial(initial, after, text(first)))
        assert.ok(!isServerInitial(initial.subarray(0, Math.min(cut, bytes - 1)), after, text(first)))
        const retry = serverRetry(first, { to, from, version })
        assert.ok(isServerRetry(retry, text(first)))
        const rest = retry.subarray(0, Math.max(5, Math.min(cut, retry.length - 1)))
        assert.ok(!isServerRetry(rest, text(first)))
      },
    ),
    { numRuns: 300 },
  )
})
