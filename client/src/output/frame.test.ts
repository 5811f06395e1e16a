// The live view in terminals of every size, with tunnels of every kind.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RequestRecord } from '../tunnels/requests.ts'
import { frame, type TunnelView, type View } from './frame.ts'
import { type Span, wrap } from './spans.ts'
import { cellsOf, safe } from './text.ts'

const HOSTILE = '/\x1b]0;owned\x07\x1b[2J\r\n\x9b31m\x7f\xe9'
// Anything that could steer a terminal, besides what the view itself uses.
const STEERING = /(?!\n)[\p{Cc}\u202a-\u202e\u2066-\u2069]/u
const AFTERNOON = new Date(2026, 0, 1, 14, 5, 9).getTime()

const APP: TunnelView = {
  ...{
    number: 1,
    kind: 'http',
    name: 'app',
    target: '127.0.0.1:3000',
    allow: [],
    allowlists: [],
    isKilled: false,
    targetFault: '',
    fault: '',
    cure: '',
  },
  ...{ urls: ['https://app.localhost:8443'], waiting: [], requests: 1, requestsPerSecond: 0, open: 0 },
}
const SSH: TunnelView = {
  ...{ ...APP, number: 2, kind: 'tcp', name: 'tcp-20022', target: '127.0.0.1:22' },
  ...{ urls: ['tcp://localhost:20022'], requests: 1, open: 2 },
}
const VPN: TunnelView = {
  ...{ ...APP, number: 3, kind: 'udp', name: 'udp-20820', target: '127.0.0.1:51820' },
  ...{ urls: ['udp://localhost:20820'], requests: 2, open: 1 },
}

function record(fields: Partial<RequestRecord> = {}): RequestRecord {
  const rest = { durationMs: 12.3, status: 200, bytesIn: 0, bytesOut: 1234, dropped: 0, fault: '' }
  return { startedAt: AFTERNOON, method: 'GET', path: '/', visitor: '203.0.113.7:50123', ...rest, ...fields }
}

const request = (fields: Partial<RequestRecord> = {}) => ({ tunnel: 1, record: record(fields) })
const connection = (fields: Partial<RequestRecord> = {}) => ({
  tunnel: 2,
  record: record({ method: 'TCP', path: '203.0.113.7:50123', status: undefined, ...fields }),
})
const open = (tunnel: number, visitor: string, ageMs = 65_000) => ({
  ...{ tunnel, visitor, ageMs, startedAt: AFTERNOON, bytesIn: 1_500, bytesOut: 20_000 },
})

function viewOf(fields: Partial<View> = {}): View {
  return {
    ...{ server: 'localhost:8443', state: 'online', reason: '', cure: '', stopping: undefined, retryInMs: undefined },
    tunnels: [APP],
    traffic: { open: 0, roundTripMs: 11.6 },
    ...{ bytesIn: 0, bytesOut: 1_234, bytesInPerSecond: 0, bytesOutPerSecond: 0 },
    ...{ opens: [], openCount: 0, recent: [request({ path: '/index.html' })] },
    ...fields,
  }
}

const textOf = (view: View, columns = 119, rows = 24) => frame(view, columns, rows, false).join('\n')
/** The row that has this in it, blanks folded. */
const rowWith = (text: string, part: string) =>
  text
    .split('\n')
    .find(line => line.includes(part))
    ?.trim()
    .replace(/ {2,}/g, '  ')

test('of an HTTP tunnel: state, address, target, who may visit, and each request with its visitor', () => {
  const text = textOf(viewOf())
  for (const part of [
    'State     online  localhost:8443, 12 ms away',
    'Address   https://app.localhost:8443',
    'Target    127.0.0.1:3000',
    'Visitors  everybody',
    'Traffic   in 0 B (0 B/s), out 1.2 kB (0 B/s)',
    'Served    1 request (0/s), 0 open',
  ]) {
    assert.ok(text.includes(part), `${part} in\n${text}`)
  }
  assert.equal(rowWith(text, 'Method'), 'Time  Method  Status  Duration  In  Out  Visitor  Path')
  assert.equal(rowWith(text, 'index'), '14:05:09  GET  200  12 ms  0 B  1.2 kB  203.0.113.7  /index.html')
})

test('of a TCP tunnel: what is open with its peer, age and bytes, then what is over', () => {
  const view = viewOf({
    tunnels: [{ ...SSH, allowlists: [{ blocks: ['203.0.113.0/24', '2001:db8::/32'], more: 0 }] }],
    traffic: { open: 2, roundTripMs: 0 },
    opens: [open(2, '203.0.113.9:1024', 500), open(2, '[2001:db8::1]:50123')],
    openCount: 2,
    recent: [connection({ fault: 'target-unreachable: connect ECONNREFUSED 127.0.0.1:22' })],
  })
  const text = textOf(view)
  assert.ok(text.includes('Visitors  only 203.0.113.0/24, 2001:db8::/32'), text)
  assert.ok(text.includes('Served    1 connection (0/s), 2 open'), text)
  assert.equal(rowWith(text, 'Age'), 'Time  State  Age  In  Out  Visitor')
  assert.equal(rowWith(text, '203.0.113.9'), '14:05:09  open  500 ms  1.5 kB  20 kB  203.0.113.9:1024')
  assert.equal(rowWith(text, '2001:db8::1'), '14:05:09  open  1 m 05 s  1.5 kB  20 kB  [2001:db8::1]:50123')
  assert.equal(
    rowWith(text, 'closed'),
    '14:05:09  closed  12 ms  0 B  1.2 kB  203.0.113.7:50123  target-unreachable: connect ECONNREFUSED 127.0.0.1:22',
  )
})

test('of several tunnels each row says whose it is, and each tunnel what it served', () => {
  const view = viewOf({
    tunnels: [APP, SSH, VPN],
    traffic: { open: 3, roundTripMs: 0 },
    opens: [open(3, '198.51.100.4:40000')],
    openCount: 3,
    recent: [request({ path: '/index.html' }), connection()],
  })
  const text = textOf(view, 119, 30)
  for (const part of [
    'Target    127.0.0.1:3000  1 request (0/s), 0 open',
    'Target    127.0.0.1:22  1 connection (0/s), 2 open',
    'Target    127.0.0.1:51820  2 flows (0/s), 1 open',
    'Served    1 request, 1 connection, 2 flows (0/s), 3 open',
  ]) {
    assert.ok(text.includes(part), `${part} in\n${text}`)
  }
  assert.equal(rowWith(text, '198.51'), '14:05:09  udp-20820  UDP  open  1 m 05 s  1.5 kB  20 kB  198.51.100.4:40000')
  assert.equal(rowWith(text, 'index'), '14:05:09  app  GET  200  12 ms  0 B  1.2 kB  203.0.113.7  /index.html')
  assert.equal(rowWith(text, 'closed'), '14:05:09  tcp-20022  TCP  closed  12 ms  0 B  1.2 kB  203.0.113.7:50123')
})

test('in narrow terminals what matters most stays, and no column is cut', () => {
  const http = (columns: number) => textOf(viewOf(), columns)
  assert.equal(rowWith(http(79), 'index'), '14:05:09  GET  200  12 ms  0 B  1.2 kB  203.0.113.7  /index.html')
  assert.equal(rowWith(http(69), 'index'), '14:05:09  GET  200  12 ms  203.0.113.7  /index.html')
  assert.equal(rowWith(http(49), 'index'), '14:05:09  GET  200  12 ms  /index.html')
  const ssh = viewOf({ tunnels: [SSH], opens: [open(2, '203.0.113.7:50123')], openCount: 1, recent: [] })
  assert.equal(rowWith(textOf(ssh, 49), '203.0'), 'open  1 m 05 s 1.5 kB  20 kB  203.0.113.7:50123')
  const all = viewOf({ tunnels: [APP, SSH], opens: [open(2, '203.0.113.7:50123')], openCount: 1 })
  assert.equal(rowWith(textOf(all, 79), 'index'), '14:05:09  app  GET  200  12 ms  203.0.113.7  /index.html')
  assert.equal(rowWith(textOf(all, 49), '203.0'), 'tcp-20022  TCP  open  1 m 05 s  203.0.113.7')
})

test('why a request failed can be read beside a long path', () => {
  const fault = 'target-unreachable: could not connect to 127.0.0.1:3000'
  const text = textOf(viewOf({ recent: [request({ path: `/${'x'.repeat(300)}`, status: 502, fault })] }), 139)
  assert.match(rowWith(text, '502') ?? '', /\/xx+… {2}target-unreachable: could not connect to 127\.0\.0\.1:3000$/)
})

test('very much that is open is counted, and leaves room for what is over', () => {
  const opens = Array.from({ length: 30 }, (_, index) => open(2, `203.0.113.${index}:1`))
  const view = viewOf({ tunnels: [SSH], opens, openCount: 400, recent: [connection(), connection()] })
  const lines = frame(view, 79, 24, false)
  assert.equal(lines.length, 24)
  assert.equal(lines.filter(line => line.includes('closed')).length, 2)
  const shown = lines.filter(line => / open {3,}/.test(line)).length
  assert.ok(lines.includes(`and ${400 - shown} more open`), lines.join('\n'))
})

test('what keeps it from being online is told whole, with what to do, at every width', () => {
  const reason = 'the certificate of link.tunnel.example.com:443 is not trusted: unable to verify the first certificate'
  const cure = 'give the server\'s authority with "pbt init --ca FILE", or check the name of the server'
  for (const columns of [119, 79, 49]) {
    const lines = frame(viewOf({ state: 'offline', reason, cure, retryInMs: 3_400, recent: [] }), columns, 24, false)
    const said = lines.join(' ').replace(/\s+/g, ' ')
    for (const part of ['offline next try in 3.4 s', reason, `To do ${cure}`]) assert.ok(said.includes(part), said)
  }
})

test('why a tunnel has no address, or one that does not serve yet, is told whole', () => {
  const reason = 'no certificate covers it yet'
  const cure = 'add a certificate for app.mine.uk to tls-cert and tls-key of pbt-server'
  const waiting = [{ url: 'https://app.mine.uk', reason, cure }]
  const refused = {
    ...SSH,
    urls: [],
    fault: 'port 20022 is held by desk (target 127.0.0.1:22)',
    cure: 'choose another',
  }
  const said = textOf(viewOf({ tunnels: [{ ...APP, waiting }, refused] }), 49, 40).replace(/\s+/g, ' ')
  for (const part of [`reserved, but ${reason}: ${cure}`, refused.fault, 'To do choose another']) {
    assert.ok(said.includes(part), said)
  }
})

test('no line is wider than the terminal and no more lines come than it has, whatever its size', () => {
  const view = viewOf({
    tunnels: [
      { ...APP, fault: '東'.repeat(90), urls: [] },
      { ...SSH, allowlists: [{ blocks: ['203.0.113.0/24'], more: 5 }] },
    ],
    recent: Array.from({ length: 50 }, () => request({ path: `/${'x'.repeat(500)}`, fault: '東'.repeat(80) })),
    opens: Array.from({ length: 50 }, () => open(2, '[2001:db8:1234:5678:9abc:def0:1234:5678]:50123')),
    ...{ openCount: 5_000, state: 'offline', reason: 'x'.repeat(300), cure: 'y '.repeat(100) },
  })
  for (const columns of [1, 2, 10, 39, 71, 72, 120]) {
    for (const rows of [1, 3, 8, 24, 60]) {
      const lines = frame(view, columns, rows, false)
      assert.ok(lines.length <= rows)
      for (const line of lines) assert.ok(cellsOf(line) <= columns, `${cellsOf(line)} cells in ${columns}: ${line}`)
    }
  }
})

test('a visitor cannot steer the terminal through the view', () => {
  const view = viewOf({
    ...{ server: HOSTILE, reason: HOSTILE, cure: HOSTILE, state: 'offline' },
    tunnels: [
      { ...APP, urls: [HOSTILE], target: HOSTILE, name: HOSTILE, allowlists: [{ blocks: [HOSTILE], more: 0 }] },
      { ...APP, urls: [], target: HOSTILE, fault: HOSTILE, cure: HOSTILE },
    ],
    opens: [open(1, HOSTILE)],
    openCount: 1,
    recent: [request({ path: HOSTILE, method: HOSTILE, fault: HOSTILE, visitor: HOSTILE })],
  })
  for (const line of frame(view, 200, 40, false)) assert.doesNotMatch(line, STEERING)
})

test('colours come only when they are wanted', () => {
  assert.ok(frame(viewOf(), 80, 24, true).join('').includes('\x1b[32m200'))
  assert.ok(!frame(viewOf(), 80, 24, false).join('').includes('\x1b'))
})

test('more tunnels than the terminal has room for push nothing else out', () => {
  const tunnels = Array.from({ length: 12 }, () => ({ ...APP, urls: ['tcp://x:1'] }))
  const lines = frame(viewOf({ tunnels }), 80, 24, false)
  assert.ok(lines.length <= 24)
  const text = lines.join('\n')
  for (const part of [/and more; "pbt status" shows all 12\nTraffic/, /\nServed/, /index\.html$/])
    assert.match(text, part)
})

test('in a small terminal the only tunnel has its address and its target', () => {
  const text = textOf(viewOf(), 80, 7)
  for (const part of ['https://app.localhost:8443', '127.0.0.1:3000', 'Traffic', 'Served'])
    assert.ok(text.includes(part), text)
})

test('wrapped lines lose nothing, are never too wide, and break within words only where one is wider than a line', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom('a', 'b', ' ', ' ', '東') }), { maxLength: 5 }),
      fc.integer({ min: 2, max: 30 }),
      fc.integer({ min: 0, max: 12 }),
      (texts, columns, indent) => {
        const line: Span[] = texts.map(text => [safe(text)])
        const lines = wrap(line, columns, indent).map(spans => spans.map(([text]) => text).join(''))
        for (const one of lines) assert.ok(cellsOf(one) <= columns, `${cellsOf(one)} in ${columns}`)
        const letters = (text: string) => text.replace(/ /g, '')
        assert.equal(letters(lines.join('')), letters(texts.join('')))
      },
    ),
  )
})
