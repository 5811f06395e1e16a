// Receivers of events that hang, fail, refuse and come back, over real sockets.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { FakeClock } from '@pbt/proto/testing'
import type { Log } from '../observe/log.ts'
import { Events } from '../owner/events.ts'
import { makeStore } from '../store/store.ts'
import { fits, type Notifier, openNotify } from './notify.ts'

interface Got {
  readonly headers: IncomingMessage['headers']
  readonly text: string
  readonly body: {
    type: string
    title: string
    message: string
    data: { number: number; subject: string; lost: number }
  }
}

type Answer = (response: ServerResponse, times: number) => void

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

async function setUp(t: TestContext, settings: { kinds?: string[]; secret?: string; secretFile?: string } = {}) {
  const dataDir = mkdtempSync(join(tmpdir(), 'pbt-notify-'))
  const store = await makeStore(dataDir)
  const clock = new FakeClock()
  const lines: string[] = []
  const say = (message: string, fields: object = {}) => void lines.push(`${message} ${JSON.stringify(fields)}`)
  const log: Log = { error: say, warn: say, info: say, debug: say, child: () => log }
  const events = await Events.open({ records: store.events, clock, log: { error: say, info: () => {} } })
  const got: Got[] = []
  const receiver = { answer: ((response: ServerResponse) => response.end()) as Answer, times: 0 }
  const server = createServer(async (request, response) => {
    const sent = await text(request)
    got.push({ headers: request.headers, text: sent, body: JSON.parse(sent) })
    receiver.answer(response, ++receiver.times)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  /** Lets time pass until the condition holds. */
  const until = async (holds: () => boolean, stepMs = 100) => {
    for (let look = 0; look < 20_000 && !holds(); look++) {
      await turn()
      if (look % 5 === 4) clock.advance(stepMs)
    }
    assert.ok(holds(), `it does not hold\n${lines.join('\n')}`)
  }
  /** Ends what has to wait for time that passes. */
  const ended = async (work: Promise<unknown>) => {
    let isOver = false
    void work.finally(() => {
      isOver = true
    })
    await until(() => isOver)
  }
  let notifier: Notifier | undefined
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await ended(notifier?.end() ?? Promise.resolve())
    await ended(events.end())
    await store.close()
    rmSync(dataDir, { recursive: true })
  })
  const opened = openNotify({
    config: {
      ...{ baseDomain: 'pbt.test', notifyUrl: [`http://user:pass@127.0.0.1:${port}/topic?x=1`] },
      ...{ notifyKinds: settings.kinds ?? ['*'], notifySecret: settings.secret ?? '' },
      notifySecretFile: settings.secretFile ?? '',
    },
    ...{ events, clock, log },
  })
  notifier = opened
  const tell = (subject: string) => events.tell({ kind: 'tunnel.online', subject, message: `${subject} is "online"` })
  const subjects = () => got.map(({ body }) => body.data.subject)
  return { events, clock, lines, got, receiver, notifier: opened, until, ended, tell, subjects }
}

test('an event is sent as JSON with a signature that a library of Standard Webhooks verifies, and what ntfy reads', async t => {
  const { got, until, tell } = await setUp(t, { secret: SECRET })
  tell('app')
  await until(() => got.length > 0)
  const [{ headers, text: sent, body } = assert.fail()] = got
  assert.deepEqual(
    [body.type, body.title, body.message, body.data.subject],
    ['tunnel.online', 'pbt.test: tunnel online', 'app is "online"', 'app'],
  )
  const { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signature } = headers
  const key = Buffer.from(SECRET.slice(6), 'base64')
  const expected = createHmac('sha256', key).update(`${id}.${seconds}.${sent}`).digest('base64')
  assert.equal(signature, `v1,${expected}`)
  assert.ok(Math.abs(Date.now() / 1_000 - Number(seconds)) < 60)
  assert.equal(id, `pbt.test-${body.data.number}`)
  assert.deepEqual(
    [headers['x-template'], headers['x-title'], headers['x-message'], headers['content-type']],
    ['yes', '{{.title}}', '{{.message}}', 'application/json'],
  )
  assert.equal(headers.authorization, `Basic ${Buffer.from('user:pass').toString('base64')}`)
})

test('a receiver that hangs, then fails, then comes back has every event once, in order; nobody waited', async t => {
  const { got, receiver, lines, until, tell, notifier } = await setUp(t)
  receiver.answer = (response, times) => {
    // It never answers the first two, fails at the next three.
    if (times > 5) response.end('x'.repeat(100_000))
    else if (times > 2) response.writeHead(times === 3 ? 429 : 500).end()
  }
  for (let index = 0; index < 20; index++) tell(`e${index}`)
  await until(() => got.length >= 25)
  const taken = got.slice(5)
  assert.deepEqual(
    taken.map(({ body }) => body.data.subject),
    Array.from({ length: 20 }, (_, index) => `e${index}`),
  )
  assert.equal(new Set(got.slice(0, 6).map(({ headers }) => headers['webhook-id'])).size, 1, 'a try has the same id')
  assert.equal(notifier.lost, 0)
  assert.deepEqual(
    lines.map(line => line.replace(/\{.*/, '')),
    ['an event was not accepted and will be sent again ', 'events are sent again '],
    'told once, and without what may be secret',
  )
  assert.ok(!lines.some(line => line.includes('pass') || line.includes('topic')), lines.join('\n'))
})

test('tries come further and further apart, at most five minutes', async t => {
  const { clock, receiver, until, tell } = await setUp(t)
  const at: number[] = []
  receiver.answer = response => {
    at.push(clock.now())
    response.writeHead(503).end()
  }
  tell('app')
  await until(() => at.length >= 14, 500)
  const pauses = at.slice(1).map((time, index) => time - (at[index] ?? 0))
  for (const [index, pause] of pauses.entries()) {
    const most = Math.min(300_000, 1_000 * 2 ** index)
    assert.ok(pause >= most / 2 - 1 && pause <= most + 5_000, `try ${index + 2} after ${pause} ms`)
  }
})

test('what a receiver will never take is given up and counted, and the next one tells it how many', async t => {
  const { got, receiver, until, tell, notifier } = await setUp(t)
  receiver.answer = (response, times) => {
    if (times <= 3) response.writeHead(times === 1 ? 302 : 400, { location: 'http://127.0.0.1:1/elsewhere' })
    response.end()
  }
  tell('bad')
  tell('good')
  await until(() => got.length >= 4)
  assert.deepEqual(
    got.map(({ body }) => [body.data.subject, body.data.lost]),
    [
      ['bad', 0],
      ['bad', 0],
      ['bad', 0],
      ['good', 1],
    ],
  )
  assert.equal(notifier.lost, 1)
})

test('what waits for a receiver is bounded: the newest are sent when it is back, the others are counted', async t => {
  const { events, got, receiver, until, ended, tell, notifier, subjects } = await setUp(t)
  receiver.answer = response => response.writeHead(500).end()
  tell('first')
  await until(() => got.length > 0)
  for (let index = 0; index < 3_000; index++) tell(`e${index}`)
  await ended(events.flush())
  receiver.answer = response => response.end()
  await until(() => subjects().at(-1) === 'e2999', 1_000)
  const distinct = new Set(subjects())
  // The first one was sent, and never taken.
  assert.equal(notifier.lost + distinct.size - 1, 3_001, 'each is taken or counted')
  assert.ok(notifier.lost >= 2_000 && notifier.lost <= 2_010, String(notifier.lost))
})

test('only the kinds that are asked for are sent', async t => {
  const { events, got, until, tell } = await setUp(t, { kinds: ['client.gone', 'server.*'] })
  tell('not this one')
  events.tell({ kind: 'client.connected', subject: 'nor this', message: '' })
  events.tell({ kind: 'client.gone', subject: 'a', message: '' })
  events.tell({ kind: 'server.started', subject: 'b', message: '' })
  await until(() => got.length >= 2)
  assert.deepEqual(
    got.map(({ body }) => body.data.subject),
    ['a', 'b'],
  )
  assert.deepEqual(
    [fits('a.b', '*'), fits('a.b', 'a.*'), fits('ab.c', 'a.*'), fits('a.b', 'a.c')],
    [true, true, false, false],
  )
})

test('the end sends what is left; a receiver that is away holds it up for two seconds at most, and what is lost is told', async t => {
  const well = await setUp(t)
  well.tell('last')
  await well.ended(well.events.flush())
  await well.ended(well.notifier.end())
  assert.deepEqual(well.subjects(), ['last'])

  const away = await setUp(t)
  away.receiver.answer = () => {}
  for (let index = 0; index < 5; index++) away.tell(`e${index}`)
  await away.ended(away.events.flush())
  const from = away.clock.now()
  await away.ended(away.notifier.end())
  assert.ok(away.clock.now() - from <= 2_500, `${away.clock.now() - from} ms`)
  assert.equal(away.notifier.lost, 5)
  assert.match(away.lines.join('\n'), /events were not sent .*"lost":5/)
})

test('the secret of a file is used, and a file that cannot be read stops the start with what to do', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'pbt-secret-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const secretFile = join(directory, 'secret')
  await assert.rejects(setUp(t, { secretFile }), {
    code: 'config-invalid',
    message: /ENOENT/,
    cure: /notify-secret-file/,
  })
  writeFileSync(secretFile, 'a plain secret of some length\n')
  const { got, until, tell } = await setUp(t, { secretFile })
  tell('app')
  await until(() => got.length > 0)
  const [{ headers, text: sent } = assert.fail()] = got
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${sent}`
  const expected = createHmac('sha256', 'a plain secret of some length').update(signed).digest('base64')
  assert.equal(headers['webhook-signature'], `v1,${expected}`)
})
