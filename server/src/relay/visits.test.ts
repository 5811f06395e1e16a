// Who is cut when an allowlist changes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Channel, type ErrorCode, PbtError } from '@pbt/proto'
import { Visits } from './visits.ts'

function channel(told: string[]): Channel & { isOpen: boolean } {
  const made = {
    id: 1,
    kind: 'tcp' as const,
    handler: { onReset: (error: PbtError) => told.push(`handler ${error.code}`) },
    isOpen: true,
    isEnded: false,
    bytesSent: 0,
    bytesReceived: 0,
    sendHead: () => {},
    write: () => true,
    sendDatagram: () => true,
    sendTrailers: () => {},
    end: () => {},
    reset: (code: ErrorCode) => {
      told.push(`peer ${code}`)
      made.isOpen = false
    },
    consumed: () => {},
  }
  return made
}

test('B5: connections of whom a changed list does not name are cut at both ends, others go on', () => {
  const visits = new Visits()
  const told: string[] = []
  const rest: string[] = []
  visits.add(channel(told), '203.0.113.7:50123')
  visits.add(channel(told), '[2001:db8::1]:50123')
  visits.add(channel(rest), '198.51.100.1:1')
  const gone = ['203.0.113.7', '2001:db8::1']
  const error = new PbtError('not-allowed', 'changed')
  assert.equal(
    visits.cut(address => gone.includes(address), error),
    2,
  )
  assert.deepEqual(told, ['peer not-allowed', 'handler not-allowed', 'peer not-allowed', 'handler not-allowed'])
  assert.deepEqual(rest, [])
  assert.equal(
    visits.cut(() => true, error),
    1,
  )
})

test('closed channels do not pile up', () => {
  const visits = new Visits()
  for (let index = 0; index < 10_000; index++) visits.add(channel([]), '203.0.113.7:1').reset('cancelled', '')
  assert.ok(visits.size <= 256, `${visits.size}`)
})
