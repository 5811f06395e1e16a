// What people and programs see, hostile strings included.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import type { ClientEvent } from '../tunnels/events.ts'
import { type RequestRecord, RequestRing } from '../tunnels/requests.ts'
import { Lines } from './lines.ts'
import { Live } from './live.ts'
import { sentence, troubleOf, visitorsText } from './sentence.ts'
import { cellsOf, clip, formatBytes, formatDuration, safe, safeOctets } from './text.ts'

const HOSTILE_PATH = '/\x1b]0;owned\x07\x1b[2J\r\n\x9b31m\x7f\xe9'
// Anything that could steer a terminal, besides what the view itself uses.
const STEERING = /(?!\n)[\p{Cc}\u202a-\u202e\u2066-\u2069]/u

const NO_TRAFFIC = { open: 0, roundTripMs: 0 }

function record(fields: Partial<RequestRecord> = {}): RequestRecord {
  const rest = { durationMs: 12.3, status: 200, bytesIn: 0, bytesOut: 1234, dropped: 0, fault: '' }
  return { startedAt: 0, method: 'GET', path: '/', visitor: '203.0.113.7:50123', ...rest, ...fields }
}

test('control characters, direction marks and invisible ones are shown, not obeyed', () => {
  assert.equal(safe('a\x1b[31mb\x9b\u202ec\u200bd\ud800'), 'a\\x1b[31mb\\x9b\\u{202e}c\\u{200b}d\\u{d800}')
  assert.equal(safe('bücher 東京'), 'bücher 東京')
  assert.equal(safeOctets('/\xe9\x00\n'), '/\\xe9\\x00\\x0a')
})

test('text is cut to the cells it may take, wide characters counted twice', () => {
  assert.equal(clip('abcdef', 6), 'abcdef')
  assert.equal(clip('abcdef', 5), 'abcd…')
  assert.equal(clip('東京都', 6), '東京都')
  assert.equal(clip('東京都', 5), '東京…')
  assert.equal(clip('東京都', 4), '東…')
  assert.equal(clip('abc', 1), '…')
  assert.equal(clip('abc', 0), '')
  assert.equal(cellsOf('e\u0301東'), 3)
})

test('figures are short', () => {
  assert.deepEqual([0, 999, 1000, 9_949, 12_345, 999_499, 999_600, 5.2e12].map(formatBytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '9.9 kB',
    '12 kB',
    '999 kB',
    '1.0 MB',
    '5.2 TB',
  ])
  assert.deepEqual([0, 0.42, 12.3, 999.4, 1000, 59_900, 125_000].map(formatDuration), [
    '0 ms',
    '0.4 ms',
    '12 ms',
    '999 ms',
    '1.0 s',
    '59.9 s',
    '2 m 05 s',
  ])
})

test('every event has a sentence that steers nothing', () => {
  const events: ClientEvent[] = [
    { event: 'stored', server: HOSTILE_PATH },
    { event: 'connected', server: HOSTILE_PATH },
    { event: 'online', number: 1, tunnel: 'a', kind: 'http', urls: [HOSTILE_PATH], target: HOSTILE_PATH },
    { event: 'reconnecting', reason: HOSTILE_PATH, cure: HOSTILE_PATH, retryInMs: 500 },
    { event: 'resumed' },
    { event: 'offline', reason: HOSTILE_PATH },
    { event: 'closed', number: 1, tunnel: HOSTILE_PATH, code: 'killed', reason: HOSTILE_PATH },
    { event: 'error', code: 'name-taken', message: HOSTILE_PATH, cure: HOSTILE_PATH },
  ]
  for (const event of events) assert.doesNotMatch(sentence(event), STEERING)
  assert.equal(
    sentence({ event: 'error', code: 'name-taken', message: 'app is taken', cure: 'take another' }),
    'error: app is taken (name-taken)\n  to do: take another',
  )
})

test('who may visit is told in words', () => {
  const [list, other] = [
    { blocks: ['203.0.113.0/24', '2001:db8::/32'], more: 0 },
    { blocks: ['203.0.113.7'], more: 3 },
  ] as const
  assert.deepEqual(
    [[], [list], [other], [list, { ...other, more: 1 }], [list, { blocks: [], more: 0 }]].map(visitorsText),
    [
      'everybody',
      'only 203.0.113.0/24, 2001:db8::/32',
      'only 203.0.113.7 and 3 more blocks',
      'only 203.0.113.0/24, 2001:db8::/32; of those only 203.0.113.7 and 1 more block',
      'nobody',
    ],
  )
})

test('what went wrong is shown in words', () => {
  const fault = 'target-unreachable'
  const all = [{}, { fault }, { dropped: 1 }, { fault, dropped: 7 }].map(fields => troubleOf(record(fields)))
  assert.deepEqual(all, ['', fault, '1 datagram dropped', `${fault}, 7 datagrams dropped`])
})

test('the ring keeps the newest and counts all', () => {
  const ring = new RequestRing()
  for (let index = 0; index < 1000; index++) ring.push(index, record({ status: index }))
  assert.equal(ring.count, 1000)
  assert.deepEqual(
    ring.newest(3).map(({ tunnel, record }) => [tunnel, record.status]),
    [
      [999, 999],
      [998, 998],
      [997, 997],
    ],
  )
  assert.equal(ring.newest(5000).length, 256)
  assert.deepEqual(ring.newest(10, 998).length, 2)
})

test('without a terminal a busy tunnel writes at most twenty requests a second and counts the rest', () => {
  const clock = new FakeClock()
  let text = ''
  const lines = new Lines(
    clock,
    () => 0,
    part => {
      text += part
    },
  )
  for (let index = 0; index < 500; index++) lines.request(1, record({ path: `/${index}` }))
  assert.equal(text, '')
  clock.advance(1000)
  assert.equal(text.trim().split('\n').length, 21)
  assert(text.includes('480 more requests') && text.includes('GET /499 200 12 ms, 0 B in, 1.2 kB out'))
  lines.request(1, record({ path: HOSTILE_PATH }))
  lines.event({ event: 'offline', reason: 'x' })
  assert.match(text.trim().split('\n').at(-1) ?? '', /^1970-01-01T00:00:00.000Z offline: x$/)
  assert.doesNotMatch(text, STEERING)
})

class FakeScreen {
  columns = 80
  rows = 24
  writableNeedDrain = false
  readonly writes: string[] = []
  private readonly listeners = new Set<() => void>()
  write(text: string): void {
    this.writes.push(text)
  }
  on(_: 'resize', listener: () => void): void {
    this.listeners.add(listener)
  }
  off(_: 'resize', listener: () => void): void {
    this.listeners.delete(listener)
  }
  resize(columns: number): void {
    this.columns = columns
    for (const listener of this.listeners) listener()
  }
}

function openLive() {
  const clock = new FakeClock()
  const screen = new FakeScreen()
  const tunnels = [1, 2].map(number => ({ number, kind: 'http', target: `:${number}`, allow: [] }) as const)
  const server = 'localhost:8443'
  const live = new Live({
    clock,
    wallTime: () => 0,
    server,
    tunnels,
    screen,
    isColored: false,
    traffic: () => NO_TRAFFIC,
    byTunnel: () => new Map([[2, { open: 3, bytesIn: 0, bytesOut: 0 }]]),
    openOf: () => [],
  })
  live.open()
  return { clock, screen, live }
}

test('ten thousand requests in a second are drawn at most ten times', () => {
  const { clock, screen, live } = openLive()
  for (let index = 0; index < 10_000; index++) {
    live.request(1, record({ path: `/${index}` }))
    if (index % 10 === 0) clock.advance(1)
  }
  assert(screen.writes.length <= 13, `${screen.writes.length} writes`)
  live.close()
})

test('of several tunnels, in the order asked for, each shows its own requests and their rate', () => {
  const { clock, screen, live } = openLive()
  const online = (number: number, name: string): ClientEvent => ({
    ...{ event: 'online', number, tunnel: name, kind: 'http', target: `:${number}` },
    urls: [`https://${name}.localhost`],
  })
  // The server need not answer in the order in which they were asked for.
  live.event(online(2, 'two'))
  live.event(online(1, 'one'))
  for (let count = 0; count < 30; count++) live.request(2, record())
  clock.advance(1_000)
  clock.advance(100)
  const picture = screen.writes.at(-1) ?? ''
  assert.match(
    picture,
    /Target {4}:1 {2}0 requests \(0\/s\), 0 open[\s\S]*Target {4}:2 {2}30 requests \(30\/s\), 3 open/,
  )
  live.close()
})

test('a tunnel that was refused is shown with the reason, and one that has no address yet as such', () => {
  const { clock, screen, live } = openLive()
  clock.advance(100)
  assert.match(
    screen.writes.at(-1) ?? '',
    /Address {3}none yet[\s\S]*Target {4}:1[\s\S]*Address {3}none yet[\s\S]*Target {4}:2/,
  )
  live.event({ event: 'error', number: 2, target: ':2', code: 'limit', message: 'no port is free', cure: '' })
  clock.advance(100)
  assert.match(screen.writes.at(-1) ?? '', /Address {3}none yet[\s\S]*Address {3}no port is free[\s\S]*Target {4}:2/)
  live.close()
})

test('the view is drawn anew when the terminal changes its size, and not when nothing changed', () => {
  const { clock, screen, live } = openLive()
  clock.advance(200)
  const before = screen.writes.length
  clock.advance(800)
  assert.equal(screen.writes.length, before)
  screen.resize(40)
  clock.advance(100)
  assert.equal(screen.writes.length, before + 1)
  live.close()
})

test('a terminal that does not keep up is not written to', () => {
  const { clock, screen, live } = openLive()
  clock.advance(200)
  const before = screen.writes.length
  screen.writableNeedDrain = true
  for (let index = 0; index < 50; index++) {
    live.request(1, record())
    clock.advance(100)
  }
  assert.equal(screen.writes.length, before)
  screen.writableNeedDrain = false
  clock.advance(1000)
  assert.equal(screen.writes.length, before + 1)
  live.close()
})

test('closing gives back screen and cursor, says what went wrong and what was done', () => {
  const { clock, screen, live } = openLive()
  assert(screen.writes[0]?.includes('\x1b[?25l'))
  live.request(1, record())
  live.event({ event: 'error', code: 'name-taken', message: 'app is taken', cure: 'take another' })
  live.close()
  live.close()
  clock.advance(5000)
  const last = screen.writes.at(-1) ?? ''
  assert(last.startsWith('\x1b[?25h\x1b[?1049l'))
  assert(last.includes('app is taken') && last.includes('pbt: 1 request, '))
})

test('a tunnel without a name yet is not called by its target', () => {
  const event = {
    event: 'target',
    number: 1,
    target: '127.0.0.1:22',
    state: 'refuses',
    reason: 'nobody listens',
  } as const
  assert.equal(sentence({ ...event, tunnel: 'ssh' }), 'ssh does not work yet: nobody listens')
  assert.equal(sentence({ ...event, tunnel: '127.0.0.1:22' }), 'nobody listens')
})
