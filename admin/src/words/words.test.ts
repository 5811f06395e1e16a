// What the panel says: states, needs and histories in words, without a browser.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import {
  AddressSchema,
  Allowlist_Access,
  Check_State,
  Client_State,
  Domain_State,
  DomainSchema,
  EventSchema,
  GetServerInfoResponseSchema,
  TargetHealth_State,
  Token_State,
  TokenSchema,
  TunnelKind,
  type TunnelSchema,
  TunnelState,
} from '@pbt/proto/admin/v1'
import type { Live } from '../live/state.ts'
import { addressRows, isFound, isUnused } from './address-rows.ts'
import { withoutReplaced } from './client.ts'
import { eventLines } from './events.ts'
import { find } from './find.ts'
import { hasWords } from './has-words.ts'
import { headlineOf, whyNot } from './headline.ts'
import { readable, withReadable } from './idn.ts'
import { needsOf } from './needs.ts'
import { sentence } from './sentence.ts'
import { stripOf } from './strip.ts'
import { client, DAY, HOUR, live, MINUTE, NOW, named, tunnel } from './testing/household.ts'
import { atMoment, howLong, moment } from './time.ts'
import { commandOf, standingOf } from './tunnel.ts'

test('a tunnel stands in a word, with the reason beside it', () => {
  const words = (more: MessageInitShape<typeof TunnelSchema>) => {
    const { word, detail } = standingOf(tunnel(more), undefined, NOW)
    return `${word}: ${detail}`
  }
  assert.equal(words({ openConnections: 3 }), 'Online: 3 visitors')
  assert.equal(words({}), 'Online: nobody there now')
  const two = { access: Allowlist_Access.LISTED, entries: [{ block: '192.0.2.1' }, { block: '192.0.2.2' }] }
  assert.equal(words({ addresses: [{ address: 'plex', allowlist: two }] }), 'Online: open to 2 addresses')
  const nobody = { access: Allowlist_Access.LISTED, entries: [] }
  assert.equal(words({ addresses: [{ address: 'plex', allowlist: nobody }] }), 'Online: open to nobody')
  assert.equal(words({ state: TunnelState.PAUSED }), 'Paused by you: since 13:32')
  assert.equal(
    words({ state: TunnelState.KILLED, stateTime: timestampFromMs(NOW - DAY) }),
    'Killed by you: yesterday 14:32',
  )
  assert.equal(words({ state: TunnelState.OFFLINE }), 'Offline: nas is away, 1 h')
  const lost = { state: TunnelState.AWAITED, stateTime: timestampFromMs(NOW - 4_000) }
  assert.equal(words(lost), 'Reconnecting: nas lost 4 s ago, visitors wait')
  const health = {
    state: TargetHealth_State.REFUSES,
    message: 'could not connect to 127.0.0.1:32400: connection refused',
  }
  assert.equal(words({ health }), 'Target refuses: nas cannot reach 127.0.0.1:32400: connection refused')
  const waiting = { address: 'photos.mine.uk', waiting: 'no certificate covers it yet' }
  assert.equal(words({ addresses: [waiting] }), 'No certificate: no certificate covers it yet')
  assert.match(words({ addresses: [waiting, { address: 'photos' }] }), /^Online/, 'one address serves')
})

test('the headline counts what visitors reach, in the past tense without contact', () => {
  const good = tunnel()
  const paused = tunnel({ name: 'git', state: TunnelState.PAUSED })
  const away = tunnel({ name: 'dev', state: TunnelState.OFFLINE, clientLabel: 'laptop' })
  assert.equal(headlineOf([good, paused, away], false).title, '1 of 3 tunnels are reachable')
  assert.equal(headlineOf([good, paused, away], true).title, '1 of 3 tunnels were reachable')
  assert.equal(headlineOf([good, { ...good, name: 'b' }], false).title, 'All 2 tunnels are reachable')
  assert.equal(headlineOf([paused, away], false).title, 'None of 2 tunnels is reachable')
  assert.equal(headlineOf([paused], false).title, 'git is not reachable')
  assert.deepEqual(
    whyNot([good, paused, away, { ...away, clientId: 'x' }], new Map([['x', client({ id: 'x' })]])).map(
      ({ text }) => text,
    ),
    ['1 paused by you', '1 offline with laptop', '1 not served by laptop'],
  )
})

test('what needs the owner stands in the order of what hurts, and is empty when all is well', () => {
  const tunnels = named(
    tunnel(),
    tunnel({
      name: 'photos',
      addresses: [{ address: 'photos.mine.uk', waiting: 'no certificate', cure: 'create CNAME' }],
    }),
    tunnel({ name: 'wiki', health: { state: TargetHealth_State.REFUSES, message: 'connection refused' } }),
    tunnel({ name: 'dev', state: TunnelState.OFFLINE, clientId: 'l', clientLabel: 'laptop' }),
  )
  const laptop = client({ id: 'l', label: 'laptop', state: Client_State.GONE, tokenId: 1n })
  const old = create(TokenSchema, { id: 1n, state: Token_State.ENDING, endTime: timestampFromMs(NOW + HOUR) })
  const server = create(GetServerInfoResponseSchema, {
    checks: [
      { step: 'disk', state: Check_State.FAILED, message: 'the disk is nearly full', cure: 'free some' },
      { step: 'clock', state: Check_State.OK, message: 'right' },
    ],
  })
  const domains = new Map(
    [
      {
        domain: 'photos.mine.uk',
        state: Domain_State.PENDING,
        problem: { message: 'no address', cure: 'create CNAME' },
      },
      { domain: 'xn--bcher-kva.mine.uk', state: Domain_State.ERROR, problem: { message: 'refused' } },
      { domain: 'www.mine.uk', state: Domain_State.ISSUED, certificate: valid(20) },
      { domain: 'old.mine.uk', state: Domain_State.ERROR, certificate: valid(2.4) },
      { domain: 'late.mine.uk', state: Domain_State.ERROR, certificate: valid(-1) },
      { domain: 'six-days.mine.uk', state: Domain_State.ISSUED, certificate: valid(5) },
    ].map(each => [each.domain, create(DomainSchema, each)]),
  )
  const state = live({ tunnels, domains, clients: new Map([['l', laptop]]), tokens: [old], server })
  assert.deepEqual(
    needsOf(state, NOW).map(({ title }) => title),
    [
      'photos.mine.uk has no certificate yet',
      'bücher.mine.uk has no certificate',
      'old.mine.uk: its certificate is not renewed, and ends in 2 days',
      'late.mine.uk: its certificate is not renewed, and has ended',
      'wiki: its target refuses',
      'laptop is away',
      'laptop is away and still holds the old token',
      'The disk is nearly full',
    ],
  )
  assert.deepEqual(
    needsOf(
      {
        ...{ ...state, tunnels: named(tunnel()), domains: new Map() },
        ...{ clients: new Map([['n', client({ tokenId: 2n })]]), server: undefined },
      },
      NOW,
    ),
    [],
  )
  assert.deepEqual(
    needsOf({ ...state, domains: new Map() }, NOW).map(({ title }) => title)[0],
    'photos.mine.uk is not reachable yet',
    'an address that waits is told where its domain does not say so',
  )
})

test('a tunnel whose machine is there is brought back by its command, one whose token has ended by the new one', () => {
  const game = tunnel({ name: 'game', kind: TunnelKind.UDP, target: '127.0.0.1:4000', state: TunnelState.OFFLINE })
  const web = tunnel({ addresses: [{ address: 'plex' }, { address: 'plex.mine.uk' }], target: 'https://10.0.0.2:8443' })
  assert.equal(commandOf(game), 'pbt udp 4000 --name game')
  assert.equal(commandOf(web), 'pbt http https://10.0.0.2:8443 --domain plex --domain plex.mine.uk')
  assert.match(standingOf(game, client(), NOW).detail, /^nas does not serve it$/)
  const needs = (more: Partial<Live>) => needsOf(live({ tunnels: named(game), ...more }), NOW)
  const [there] = needs({ clients: new Map([['n', client()]]) })
  assert.match(`${there?.title}: ${there?.command}`, /^nas does not serve game since .+: pbt udp 4000 --name game$/)
  const justCame = client({ stateTime: timestampFromMs(NOW - 1_000) })
  assert.deepEqual(needs({ clients: new Map([['n', justCame]]) }), [], 'it may open them now')
  const ended = create(TokenSchema, { id: 1n, state: Token_State.ENDING, endTime: timestampFromMs(NOW - 1) })
  const gone = new Map([['n', client({ state: Client_State.GONE })]])
  assert.deepEqual(
    needs({ clients: gone, tokens: [ended] }).map(({ title, command }) => [title, command]),
    [['nas is away', 'pbt init']],
    'the grace time is over by the clock, whatever was heard last',
  )
})

test('a machine that does not keep its new token over a restart needs the owner until it is started again', () => {
  const taken = { kind: 'token.taken', fields: { client: 'n', token: '2', notStored: 'it is in PBT_TOKEN' } }
  const state = {
    clients: new Map([['n', client({ tokenId: 2n })]]),
    tokens: [create(TokenSchema, { id: 2n, state: Token_State.VALID })],
  }
  const titles = (...events: MessageInitShape<typeof EventSchema>[]) =>
    needsOf(live({ ...state, events: events.map(each => create(EventSchema, each)) }), NOW).map(({ title }) => title)
  assert.deepEqual(titles(taken), ['nas will not have the new token after a restart'])
  assert.deepEqual(titles({ kind: 'client.connected', fields: { client: 'n' } }, taken), [])
  assert.deepEqual(titles({ ...taken, fields: { client: 'n', token: '2' } }), [])
})

test('a filter finds what has each of its words somewhere, whatever its capitals', () => {
  const fields = ['nas', 'pbt/0.1.0', 'Bücher']
  const found = ['', 'NAS', 'bü nas', 'nas x', 'x'].map(words => hasWords(fields, words))
  assert.deepEqual(found, [true, true, true, false, false])
})

test('times of the server are told by the clock of the browser, and commands stay as they are typed', () => {
  assert.match(sentence(`until ${new Date(NOW).toISOString()}`), /^Until .*14:32\.$/)
  assert.equal(sentence('pbt-server tunnel resume photos'), 'pbt-server tunnel resume photos.')
})

test('a command that another one of its machine replaced is no machine that is away', () => {
  const at = (id: string, state: Client_State, machineId = 'm') => client({ id, state, machineId, label: machineId })
  const clients = [at('old', Client_State.GONE), at('now', Client_State.CONNECTED), at('far', Client_State.GONE, 'x')]
  const known = new Map(clients.map(each => [each.id, each]))
  const served = named(tunnel({ clientId: 'now' }))
  const kept = named(tunnel({ clientId: 'old', state: TunnelState.OFFLINE }))
  const ids = (tunnels: Live['tunnels']) => withoutReplaced(known, tunnels).map(({ id }) => id)
  assert.deepEqual(ids(served), ['now', 'far'])
  assert.deepEqual(ids(kept), ['old', 'now', 'far'], 'it serves what is offline now')
  const [need] = needsOf(live({ tunnels: kept, clients: known }), NOW)
  assert.deepEqual([need?.title, need?.command], ['m does not serve plex', 'pbt http 32400 --domain plex'])
})

/** A certificate that ends in so many days. */
function valid(days: number) {
  return { startTime: timestampFromMs(NOW - 60 * DAY), endTime: timestampFromMs(NOW + days * DAY) }
}

test('tcp and udp of one number are one row; what nobody used for 90 days is unused', () => {
  const at = (address: string, more: MessageInitShape<typeof AddressSchema> = {}) =>
    create(AddressSchema, { address, ...more })
  const rows = addressRows([
    at('app', { isInUse: true, tunnel: 'plex' }),
    at('app.mine.uk'),
    at('tcp:25565', { note: 'minecraft', lastUsedTime: timestampFromMs(NOW - 100 * DAY) }),
    at('udp:25565', { lastUsedTime: timestampFromMs(NOW - DAY) }),
    at('*.app'),
  ])
  assert.deepEqual(
    rows.map(({ address, kind }) => `${address} ${kind}`),
    ['app name', 'app.mine.uk domain', 'tcp+udp:25565 port', '*.app name'],
  )
  const [app, domain, port] = rows
  assert.ok(app && domain && port)
  assert.deepEqual([isUnused(app, NOW), isUnused(domain, NOW), isUnused(port, NOW)], [false, true, false])
  assert.deepEqual([isFound(port, 'MINE 25565'), isFound(app, 'minecraft')], [true, false])
})

test('a client that flaps is one line, and tunnels that come together are one', () => {
  const event = (number: number, kind: string, subject: string, ago: number) =>
    create(EventSchema, {
      number: BigInt(number),
      kind,
      subject,
      message: `${subject} happened`,
      time: timestampFromMs(NOW - ago),
    })
  const flaps = Array.from({ length: 14 }, (_, index) => event(100 - index, 'client.lost', 'laptop', index * MINUTE))
  const lines = eventLines([event(200, 'token.rotated', 'token', 0), ...flaps], 10)
  assert.deepEqual(
    lines.map(({ text }) => text),
    ['token happened', 'laptop was lost 14 times within an hour'],
  )
  const online = ['a', 'b', 'c'].map((name, index) => event(50 - index, 'tunnel.online', name, index * 100))
  assert.deepEqual(
    eventLines(online, 10).map(({ text }) => text),
    ['a, b and 1 more are online'],
  )
  assert.deepEqual(eventLines([event(1, 'visitor.refused', 'x', 0)], 10), [])
})

test('the last day of a client, as a strip and as a sentence', () => {
  const event = (kind: string, ago: number) => create(EventSchema, { kind, time: timestampFromMs(NOW - ago) })
  assert.equal(stripOf(client(), [], NOW).text, 'connected all the time')
  assert.equal(stripOf(client({ state: Client_State.GONE }), [], NOW).text, 'away all the time')
  const history = [
    event('client.resumed', HOUR - 6_000),
    event('client.lost', HOUR),
    event('client.connected', 2 * DAY),
  ]
  const strip = stripOf(client(), history, NOW)
  assert.equal(strip.text, 'connected for 23 h 59 min, 1 gap of 6 s')
  assert.deepEqual([strip.spans.length, strip.cuts.length], [3, 1])
})

test('what is typed finds tunnels with their acts, pages, and what an address gets', () => {
  const state = live({ tunnels: named(tunnel(), tunnel({ name: 'git', state: TunnelState.PAUSED, addresses: [] })) })
  assert.deepEqual(
    find(state, 'ple').map(({ title }) => title),
    [
      'plex',
      'Copy https://plex.tun.mine.uk',
      'Pause plex',
      'Kill plex…',
      'Log of plex',
      'Explain https://plex.tun.mine.uk',
    ],
  )
  assert.ok(find(state, 'git').some(({ title }) => title === 'Resume git'))
  assert.ok(find(state, '203.0.113.7').some(({ title }) => title === 'Explain what 203.0.113.7 gets'))
  assert.ok(find(undefined, '').some(({ title }) => title === 'Security'))
})

test('names of other scripts are read as they are meant, look-alikes as they are written', () => {
  assert.equal(withReadable('xn--bcher-kva.mine.uk and app: xn--bcher-kva.'), 'bücher.mine.uk and app: bücher.')
  assert.equal(readable('xn--bcher-kva.mine.uk'), 'bücher.mine.uk')
  assert.equal(readable('xn--r8jz45g.xn--zckzah'), '例え.テスト')
  assert.equal(readable('xn--80ak6aa92e.com'), 'xn--80ak6aa92e.com', 'аррӏе')
  for (const bad of ['xn--', 'xn---', 'xn--99999999', 'xn--a-ecp.ru', 'plain'])
    assert.equal(typeof readable(bad), 'string', bad)
})

test('times are said as people say them', () => {
  assert.deepEqual(
    [howLong(400), howLong(6_000), howLong(12 * MINUTE), howLong(3 * HOUR + 34 * MINUTE), howLong(4 * DAY)],
    ['400 ms', '6 s', '12 min', '3 h 34 min', '4 days'],
  )
  assert.equal(moment(NOW - DAY, NOW), 'yesterday 14:32')
  assert.equal(moment(NOW + DAY, NOW), 'tomorrow 14:32')
  assert.equal(atMoment(NOW, NOW), 'at 14:32')
  assert.equal(atMoment(NOW - DAY, NOW), 'yesterday 14:32')
})
