// What programs are told of visitors: whole lines, in order, a few writes however many there are.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '@pbt/proto/testing'
import fc from 'fast-check'
import type { RequestRecord } from '../tunnels/requests.ts'
import { JsonLines } from './json.ts'

const REQUEST: RequestRecord = {
  ...{ startedAt: 0, durationMs: 12.34, method: 'GET', path: '/', visitor: '203.0.113.7:50123', status: 200 },
  ...{ bytesIn: 0, bytesOut: 512, dropped: 0, fault: '' },
}
const FLOW: RequestRecord = {
  ...REQUEST,
  method: 'UDP',
  path: '',
  visitor: '[2001:db8::1]:7',
  status: undefined,
  dropped: 3,
}
const ONLINE = { event: 'online', number: 1, tunnel: 'app', kind: 'http', urls: [], target: '127.0.0.1:3000' } as const

function open() {
  const clock = new FakeClock()
  const writes: string[] = []
  const lines = new JsonLines(
    clock,
    () => 0,
    text => writes.push(text),
  )
  const events = () =>
    writes
      .join('')
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as Record<string, unknown>)
  return { clock, lines, writes, events }
}

test('a request, a connection and a flow are told with their fields', () => {
  const { clock, lines, events } = open()
  lines.event(ONLINE)
  lines.request(1, REQUEST)
  lines.opened(2, 'tcp', '203.0.113.9:1024')
  lines.request(2, { ...REQUEST, method: 'TCP', status: undefined, fault: 'connection-reset' })
  lines.request(3, FLOW)
  clock.advance(100)
  const time = '1970-01-01T00:00:00.000Z'
  const sums = { ms: 12.3, bytesIn: 0, bytesOut: 512 }
  assert.deepEqual(events().slice(1), [
    {
      ...{ event: 'request', time, number: 1, tunnel: 'app', method: 'GET', path: '/', status: 200 },
      ...{ ...sums, visitor: '203.0.113.7', reason: '' },
    },
    {
      ...{ event: 'connection', time, number: 2, tunnel: '', state: 'open', visitor: '203.0.113.9', visitorPort: 1024 },
      ...{ ms: 0, bytesIn: 0, bytesOut: 0 },
    },
    {
      ...{
        event: 'connection',
        time,
        number: 2,
        tunnel: '',
        state: 'closed',
        visitor: '203.0.113.7',
        visitorPort: 50_123,
      },
      ...{ ...sums, reason: 'connection-reset' },
    },
    {
      ...{ event: 'flow', time, number: 3, tunnel: '', state: 'closed', visitor: '2001:db8::1', visitorPort: 7 },
      ...{ ...sums, reason: '', dropped: 3 },
    },
  ])
})

test('ten thousand requests in a second are some dozens of writes, and nothing overtakes them', () => {
  const { clock, lines, writes, events } = open()
  for (let index = 0; index < 10_000; index++) {
    lines.request(1, { ...REQUEST, path: `/${index}` })
    if (index % 10 === 0) clock.advance(1)
  }
  assert.ok(writes.length < 60, `${writes.length} writes`)
  lines.event({ event: 'resumed' })
  lines.flush()
  const all = events()
  assert.equal(all.at(-1)?.event, 'resumed')
  assert.deepEqual(
    all.slice(0, -1).map(({ path }) => path),
    Array.from({ length: 10_000 }, (_, index) => `/${index}`),
  )
})

test('whatever a visitor writes, a line is a line and no longer than it may be', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), fc.string({ unit: 'binary' }), (path, fault) => {
      const { lines, writes, events } = open()
      lines.request(1, { ...REQUEST, path, method: path, fault })
      lines.flush()
      assert.deepEqual([writes.length, writes[0]?.split('\n').length], [1, 2])
      assert.equal(events()[0]?.path, path.slice(0, 300))
    }),
  )
})

test('what visitors do leaves room to what the agent says, in their order', () => {
  const told: [string, boolean][] = []
  const lines = new JsonLines(
    new FakeClock(),
    () => 0,
    (text, isMinor = false) => told.push([String(JSON.parse(text).event), isMinor]),
  )
  lines.request(1, REQUEST)
  lines.event(ONLINE)
  assert.deepEqual(told, [
    ['request', true],
    ['online', false],
  ])
})
