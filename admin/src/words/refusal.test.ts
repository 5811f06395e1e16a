// What the panel says of visitors who were turned away, and what it makes of allowlists.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { type Timestamp, timestampFromMs } from '@bufbuild/protobuf/wkt'
import { Allowlist_Access, AllowlistSchema, RecordSchema, RefusalSchema, TunnelState } from '@pbt/proto/admin/v1'
import { areSame, blockProblem, draftOf, listOf, networkOf } from './draft.ts'
import { refusalWords, turnedAwayWords } from './refusal.ts'
import { HOUR, NOW, tunnel } from './testing/household.ts'

test('the record of a visitor who was turned away says why, and whether they may come in by now', () => {
  const words = (reason: string, of = tunnel(), refusal?: MessageInitShape<typeof RefusalSchema>) =>
    turnedAwayWords(
      create(RecordSchema, { tunnel: 'plex', peer: '203.0.113.9', reason }),
      of,
      refusal && create(RefusalSchema, refusal),
      NOW,
    )
  const closed = (...entries: { block: string; endTime?: Timestamp }[]) =>
    tunnel({
      addresses: [
        { address: 'open', allowlist: { access: Allowlist_Access.EVERYBODY } },
        { address: 'plex', allowlist: { access: Allowlist_Access.LISTED, entries } },
      ].reverse(),
    })
  const office = { block: '203.0.113.0/28' }
  assert.deepEqual(words('not-allowed', closed(office), { address: 'films', nearestEntry: office.block }), {
    title: '203.0.113.9 was not on the list of plex',
    text: 'The list has 1 entry, and the nearest is 203.0.113.0/28.',
    ...{ act: 'allow', address: 'films' },
  })
  assert.deepEqual(
    [words('not-allowed', closed(office)).address, words('not-allowed', closed()).text],
    ['plex', 'It is open to nobody.'],
  )
  const listed = words('not-allowed', closed({ block: '203.0.113.9/32', endTime: timestampFromMs(NOW + HOUR) }))
  assert.deepEqual([listed.act, listed.text], ['none', 'It is on the list of plex until 15:32.'])
  const ended = words('not-allowed', closed({ block: '203.0.113.9', endTime: timestampFromMs(NOW - HOUR) }))
  assert.equal(ended.act, 'allow', 'its time is over')
  assert.equal(words('not-allowed', tunnel()).text, 'plex is open to everybody.')
  assert.equal(words('paused', tunnel({ state: TunnelState.PAUSED })).act, 'resume')
  assert.equal(words('paused').act, 'none')
  for (const reason of ['offline', 'limited', 'unknown-host']) assert.equal(words(reason).act, 'none')
})

test('a refusal names the rule, the list and the nearest entry, and what lets the visitor in', () => {
  const words = (more: MessageInitShape<typeof RefusalSchema>, of = tunnel()) =>
    refusalWords(create(RefusalSchema, { tunnel: 'plex', count: 3n, lastTime: timestampFromMs(NOW), ...more }), of, NOW)
  const listed = { access: Allowlist_Access.LISTED, entries: [{ block: '203.0.113.0/24' }] }
  const closed = tunnel({ addresses: [{ address: 'plex', allowlist: listed }] })
  const { text, act } = words({ rule: 'not-allowed', nearestEntry: '203.0.113.0/24', looksLikeGuessing: true }, closed)
  assert.equal(
    text,
    'plex, 3 times, last 14:32. Not on its list of 1. The nearest entry is 203.0.113.0/24. Looks like guessing.',
  )
  assert.equal(act, 'allow')
  const entries = [{ block: '203.0.113.9', endTime: timestampFromMs(NOW + HOUR) }]
  const letIn = tunnel({ addresses: [{ address: 'plex', allowlist: { ...listed, entries } }] })
  assert.deepEqual(words({ rule: 'not-allowed', peer: '203.0.113.9', address: 'plex' }, letIn), {
    ...{ text: 'plex, 3 times, last 14:32. May come in now until 15:32.', act: 'log' },
  })
  assert.equal(words({ rule: 'not-allowed', peer: '203.0.113.9', address: 'films' }, letIn).act, 'allow')
  assert.match(words({ rule: 'not-allowed' }).text, /open to everybody now/)
  assert.equal(words({ rule: 'paused' }, tunnel({ state: TunnelState.PAUSED })).act, 'resume')
  assert.match(words({ rule: 'paused', count: 1n }).text, /^plex, once, last 14:32\. The tunnel was paused then\./)
  assert.equal(words({ rule: 'login-refused' }).act, 'security')
  assert.match(words({ rule: 'something-new' }).text, /something-new/, 'a rule that is not known is still told')
})

test('a draft of an allowlist begins with what holds, and is the same again when it is put back', () => {
  const fromClient = draftOf(
    create(AllowlistSchema, { access: Allowlist_Access.CLIENT, clientBlocks: ['192.0.2.0/24'] }),
  )
  assert.deepEqual([fromClient.isOpen, fromClient.entries.map(({ block }) => block)], [false, ['192.0.2.0/24']])
  assert.equal(draftOf(create(AllowlistSchema, { access: Allowlist_Access.CLIENT })).isOpen, true)
  const draft = { isOpen: false, entries: [{ block: '192.0.2.1', note: '', endTime: undefined }] }
  assert.equal(areSame(draft, { ...draft, isOpen: true }), false)
  assert.equal(areSame(draft, { ...draft }), true)
  assert.equal(listOf({ ...draft, isOpen: true }).entries.length, 0)
  for (const good of ['203.0.113.7', '203.0.113.0/24', '2001:db8::/32', '::1'])
    assert.equal(blockProblem(good), '', good)
  for (const bad of ['', 'home', '203.0.113.300', '203.0.113.0/33', '::1/129', '1.2.3.4/', '1.2.3.4/8/8'])
    assert.notEqual(blockProblem(bad), '', bad)
})

test('the network of a public IPv6 address is its first 64 bits; other addresses have none', () => {
  assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64')
  assert.equal(networkOf('2001:db8::6'), '2001:db8:0:0::/64')
  assert.equal(networkOf('2a00:1:2:3::'), '2a00:1:2:3::/64')
  for (const none of ['203.0.113.7', '::1', 'fe80::1', 'fd00::1', '']) assert.equal(networkOf(none), undefined, none)
  assert.equal(blockProblem(networkOf('2001:db8::6') ?? ''), '')
})
