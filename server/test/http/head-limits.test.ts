// How large a head may be: just below passes end to end, just above is refused, and a session never suffers from either.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { frameVisitor } from '../support/frame-visitor.ts'
import { sharedPbt } from '../support/shared.ts'
import { rawTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

const { pbt } = sharedPbt()

const KIB = 1024
const HOST = 'Host: app.localhost\r\n'

/** A target that answers with as many fields, or as large a field, as the query says, and tells the size it got. */
function sizedTarget(t: Parameters<typeof rawTarget>[0]) {
  return rawTarget(t, socket => {
    let text = ''
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      if (!text.includes('\r\n\r\n')) return
      const [, fields = '0', bytes = '0'] = /\?(\d+)&(\d+)/.exec(text) ?? []
      const body = `${text.length} bytes`
      text = ''
      const more = `${'a: b\r\n'.repeat(Number(fields))}${bytes === '0' ? '' : `x: ${'y'.repeat(Number(bytes))}\r\n`}`
      socket.write(`HTTP/1.1 200 OK\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`)
    })
  })
}

/** Fields of HTTP/1 that take `bytes` in all, line breaks included, in `count` fields, Host among them. */
function fieldsOf(bytes: number, count: number): string {
  const small = 'a: b\r\n'.repeat(count - 2)
  const left = bytes - HOST.length - small.length - 'x: \r\n'.length
  return `${HOST}${small}x: ${'y'.repeat(left)}\r\n`
}

test('B9: 64 KiB of fields and 200 of them pass over HTTP/1.1, one more does not, and the session goes on', async t => {
  const { server, client } = await pbt(await sizedTarget(t))
  const cases: readonly (readonly [name: string, request: string, status: number])[] = [
    ['64 KiB in few', `GET / HTTP/1.1\r\n${fieldsOf(64 * KIB, 3)}\r\n`, 200],
    ['64 KiB in 200', `GET / HTTP/1.1\r\n${fieldsOf(64 * KIB, 200)}\r\n`, 200],
    ['64 KiB and a long target', `GET /${'u'.repeat(12_000)} HTTP/1.1\r\n${fieldsOf(64 * KIB, 200)}\r\n`, 200],
    ['1 byte more', `GET / HTTP/1.1\r\n${fieldsOf(64 * KIB + 1, 3)}\r\n`, 431],
    ['1 byte more in 200', `GET / HTTP/1.1\r\n${fieldsOf(64 * KIB + 1, 200)}\r\n`, 431],
    ['nearly 80 KiB', `GET / HTTP/1.1\r\n${fieldsOf(80 * KIB - 30, 200)}\r\n`, 431],
    ['nearly 80 KiB in few', `GET / HTTP/1.1\r\n${fieldsOf(80 * KIB - 30, 3)}\r\n`, 431],
    ['1 MiB', `GET / HTTP/1.1\r\n${fieldsOf(KIB * KIB, 3)}\r\n`, 431],
    ['201 fields', `GET / HTTP/1.1\r\n${fieldsOf(2 * KIB, 201)}\r\n`, 431],
    ['too long a target', `GET /${'u'.repeat(13_000)} HTTP/1.1\r\n${HOST}\r\n`, 414],
    ['a target without end', `GET /${'u'.repeat(100_000)}`, 431],
    ['199 fields and 60 KB back', `GET /?198&60000 HTTP/1.1\r\n${HOST}\r\n`, 200],
    ['201 fields back', `GET /?200&0 HTTP/1.1\r\n${HOST}\r\n`, 502],
    ['70 KB back', `GET /?0&70000 HTTP/1.1\r\n${HOST}\r\n`, 502],
  ]
  for (const [name, request, status] of cases) {
    // The connection ends with an answer to HTTP/1.0, and with a refusal anyway.
    const answer = await rawRequest(t, server, request.replace('HTTP/1.1', 'HTTP/1.0'))
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), `${name}: ${answer.slice(0, 200)}`)
  }
  assert.deepEqual(
    client.events.filter(({ event }) => event === 'reconnecting'),
    [],
  )
})

test('B9: the same over HTTP/2', async t => {
  const { server, client } = await pbt(await sizedTarget(t))
  const head = (path: string) =>
    [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':path', path],
      [':authority', 'app.localhost'],
    ] as const
  const many = (count: number) => new Array(count).fill(['a', 'b'] as const)
  const large = (bytes: number) => [['x', 'y'.repeat(bytes)] as const]
  const cases = [
    ['62 KiB', [...head('/'), ...large(62 * KIB)], [200]],
    ['62 KiB less what 180 fields count', [...head('/'), ...many(180), ...large(54 * KIB)], [200]],
    ['70 KiB', [...head('/'), ...large(70 * KIB)], [431, 'reset', 'goaway', 'closed']],
    ['1 MiB', [...head('/'), ...large(KIB * KIB)], [431, 'reset', 'goaway', 'closed']],
    ['200 fields', [...head('/'), ...many(200)], [200]],
    ['201 fields', [...head('/'), ...many(201)], [431, 'reset', 'goaway', 'closed']],
    ['1000 fields', [...head('/'), ...many(1000)], [431, 'reset', 'goaway', 'closed']],
    ['too long a target', [...head(`/${'u'.repeat(13_000)}`)], [414]],
    ['201 fields back', [...head('/?200&0')], [502]],
  ] as const
  for (const [name, fields, outcomes] of cases) {
    const visitor = await frameVisitor(t, server)
    const outcome = await visitor.outcome(visitor.open(fields))
    assert.ok((outcomes as readonly unknown[]).includes(outcome), `${name}: ${outcome}`)
  }
  assert.deepEqual(
    client.events.filter(({ event }) => event === 'reconnecting'),
    [],
  )
})
