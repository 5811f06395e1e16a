import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { newToken } from '../access/tokens.ts'
import { openLog } from './log.ts'

function open(level: 'error' | 'warn' | 'info' | 'debug' = 'info', isForPeople = false) {
  const stream = new PassThrough()
  const log = openLog({ level, stream, isForPeople })
  return { log, text: () => String(stream.read() ?? '') }
}

function parsed(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line)
  assert.ok(typeof value === 'object' && value !== null)
  return { ...value }
}

test('a line is one JSON object with the fields of the log and its own', () => {
  const { log, text } = open()
  log.child({ room: 'relay' }).child({ session: 'ab' }).warn('link lost', { ms: 5 })
  const { timestamp, ...fields } = parsed(text())
  assert.match(String(timestamp), /^\d{4}-\d\d-\d\dT.*Z$/)
  assert.deepEqual(fields, { level: 'warn', message: 'link lost', room: 'relay', session: 'ab', ms: 5 })
})

test('lines below the level are not written', () => {
  const { log, text } = open('warn')
  log.info('too small')
  log.debug('smaller still')
  assert.equal(text(), '')
  log.error('large enough')
  assert.match(text(), /large enough/)
})

test('tokens and cookies never reach the log, wherever they stand', () => {
  const token = newToken()
  const { log, text } = open()
  log.child({ token }).info(`refused ${token}`, {
    authorization: `Bearer ${token}`,
    headers: { Cookie: 'a=b', 'set-cookie': ['c=d'], other: [`x ${token} y`] },
    error: new Error(`bad ${token}`, { cause: new Error(token) }),
  })
  const written = text()
  assert.ok(!written.includes(token.slice(4)), written)
  assert.ok(!/a=b|c=d/.test(written), written)
  assert.match(written, /refused pbt_\[redacted\]/)
})

test('an error is written with message, code, stack and cause', () => {
  const { log, text } = open()
  log.error('failed', { error: Object.assign(new Error('outer', { cause: new Error('inner') }), { code: 'EX' }) })
  const { error } = parsed(text())
  assert.ok(typeof error === 'object' && error !== null && 'cause' in error && 'stack' in error)
  assert.match(JSON.stringify(error), /"message":"inner".*"code":"EX","message":"outer"/)
})

test('fields that cannot be JSON do no harm', () => {
  const { log, text } = open()
  const circle: Record<string, unknown> = {}
  circle.self = circle
  log.info('odd', { circle, big: 12n })
  assert.match(text(), /"big":"12"/)
})

test('people get words: values of several words in quotes, and none that are empty', () => {
  const { log, text } = open('info', true)
  log.info('tunnel online', { tunnel: 'my "app"', name: 'app', cause: '', requests: 3 })
  assert.match(text(), /^\d\d:\d\d:\d\d\.\d{3} info tunnel online tunnel="my \\"app\\"" name=app requests=3\n$/)
})

test('H43: what strangers wrote is short, and cannot steer a terminal', () => {
  const token = newToken()
  const path = `/${'\x1b]0;owned\x07\u202e'.repeat(3_000)}`
  for (const isForPeople of [true, false]) {
    const { log, text } = open('info', isForPeople)
    log.warn('visitors were turned away', { path, list: [path], deep: { path }, hidden: 'x'.repeat(280) + token })
    const line = text()
    assert.ok(line.length < 8_000, `${line.length} characters`)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    assert.doesNotMatch(line, /[\x00-\x09\x0b-\x1f]/)
    assert.ok(!line.includes('\u202e') || !isForPeople)
    assert.ok(!line.includes(token.slice(0, 12)))
  }
  const { log, text } = open()
  log.error('failed', { error: new Error('x'.repeat(50_000)) })
  assert.ok(text().length < 20_000)
})
