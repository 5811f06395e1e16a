// What a port remembers of proofs, and how much of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idAt, placeAt } from '../handshakes.ts'
import { someId, wireguardMessages } from '../testing/handshakes.ts'
import { ProvenAddresses } from './proven-addresses.ts'
import { wireguard } from './wireguard-handshake.ts'

const MAX_PROVEN_ADDRESSES = 1_024
const MAX_PROVEN_IDS = 16
const { transport } = wireguardMessages

function provenFor() {
  const addresses = new ProvenAddresses()
  return {
    addresses,
    add: (address: string, id: Buffer, until = 1_000) =>
      addresses.add(address, { handshake: wireguard, id: idAt(id, placeAt(0, id.length)), until }),
    has: (address: string, id: Buffer, now = 0) => addresses.find(address, transport(id), now) !== undefined,
  }
}

test('F11: an id counts for its address, until its time is over', () => {
  const { addresses, add, has } = provenFor()
  const [id, other] = [someId(), someId()]
  add('203.0.113.1', id)
  add('203.0.113.2', other, 2_000)
  assert.deepEqual([has('203.0.113.1', id, 999), has('203.0.113.1', id, 1_000)], [true, false])
  assert.deepEqual([has('203.0.113.1', other), has('203.0.113.2', other), has('203.0.113.2', id)], [false, true, false])
  assert.equal(addresses.size, 1)
  add('203.0.113.2', other, 3_000)
  assert.equal(has('203.0.113.2', other, 2_500), true)
})

test('F11: many ids of one address drive out its own, and many addresses those that were proven longest ago', () => {
  const { addresses, add, has } = provenFor()
  const kept = someId()
  add('203.0.113.1', kept)
  const ids = Array.from({ length: 100 * MAX_PROVEN_IDS }, () => someId())
  for (const id of ids) add('203.0.113.2', id)
  assert.equal(ids.filter(id => has('203.0.113.2', id)).length, MAX_PROVEN_IDS)
  assert.ok(ids.slice(-MAX_PROVEN_IDS).every(id => has('203.0.113.2', id)))
  assert.ok(has('203.0.113.1', kept))
  for (let count = 0; count < 3 * MAX_PROVEN_ADDRESSES; count++) {
    add(`198.51.${count >> 8}.${count & 255}`, someId())
    if (count % 1_000 === 0) add('203.0.113.1', kept)
  }
  assert.equal(addresses.size, MAX_PROVEN_ADDRESSES)
  assert.deepEqual([has('203.0.113.1', kept), has('203.0.113.2', ids.at(-1) ?? kept)], [true, false])
})
