// Heads between HTTP/1.1's form, which the link has, and HTTP/2's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RequestHead } from '@pbt/proto'
import {
  acceptedFields,
  answerFields,
  connectFields,
  lengthOf,
  requestFields,
  trailerObject,
  webSocketKeyOf,
} from './fields.ts'

const headOf = (more: Partial<RequestHead>): RequestHead => ({
  tunnel: 1,
  method: 'GET',
  target: '/a?b',
  headers: [],
  upgrade: '',
  visitor: '127.0.0.1:1',
  connection: '',
  ...more,
})
/** The example of RFC 6455 section 1.3. */
const [KEY, ACCEPT] = ['dGhlIHNhbXBsZSBub25jZQ==', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=']

test('a request keeps its fields in their order and number; Host becomes the authority', () => {
  const head = headOf({ headers: ['Host', 'app.localhost', 'X-A', '1', 'x-a', '2', 'Accept', '*/*'] })
  const fields = ['x-a', '1', 'x-a', '2', 'accept', '*/*']
  assert.deepEqual(requestFields(head), [
    ...[':method', 'GET', ':path', '/a?b', ':scheme', 'http', ':authority', 'app.localhost'],
    ...fields,
  ])
})

test('a WebSocket is an extended CONNECT without what only the handshake of HTTP/1.1 has', () => {
  const headers = [
    'Host',
    'app.localhost',
    'Sec-WebSocket-Key',
    KEY,
    'Sec-WebSocket-Version',
    '13',
    'Content-Length',
    '0',
  ]
  const head = headOf({ headers, upgrade: 'WebSocket' })
  assert.equal(webSocketKeyOf(head), KEY)
  assert.deepEqual(connectFields(head), [
    ...[
      ':method',
      'CONNECT',
      ':protocol',
      'websocket',
      ':path',
      '/a?b',
      ':scheme',
      'http',
      ':authority',
      'app.localhost',
    ],
    ...['sec-websocket-version', '13'],
  ])
  const accepted = [':status', '200', 'sec-websocket-protocol', 'chat', 'sec-websocket-accept', 'x', 'pbt-error', 'x']
  assert.deepEqual(acceptedFields(accepted, KEY), ['sec-websocket-protocol', 'chat', 'sec-websocket-accept', ACCEPT])
})

test('what is no handshake of RFC 6455 is not made into one', () => {
  const key = ['Sec-WebSocket-Key', KEY]
  for (const head of [
    headOf({ headers: key }),
    headOf({ headers: key, upgrade: 'websocket, chess' }),
    headOf({ headers: key, upgrade: 'websocket', method: 'POST' }),
    headOf({ headers: [...key, ...key], upgrade: 'websocket' }),
    headOf({ headers: ['Sec-WebSocket-Key', ''], upgrade: 'websocket' }),
    headOf({ upgrade: 'websocket' }),
  ]) {
    assert.equal(webSocketKeyOf(head), undefined)
  }
})

test('answers lose what is not for visitors, and tell their length', () => {
  const raw = [':status', '200', 'set-cookie', 'a', 'set-cookie', 'b', 'pbt-error', 'x', 'content-length', '12']
  assert.deepEqual(answerFields(raw), ['set-cookie', 'a', 'set-cookie', 'b', 'content-length', '12'])
  assert.equal(lengthOf(raw), 12)
  assert.equal(lengthOf([':status', '200']), -1)
  assert.deepEqual(
    { ...trailerObject(['A', '1', 'b', '2', 'a', '3', '__proto__', '4']) },
    { a: ['1', '3'], b: '2', ['__proto__']: '4' },
  )
})
