// Records as lines: what is written is what is read, whole or field by field.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type AccessKind, accessRecord, RecordLine, writeRecord } from './access-record.ts'
import { Lines } from './lines.ts'

test('the fields of a line are those of the record that is read of it, whatever visitors send', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', 'GET /\t\n', '::1', 'x'.repeat(400)))
  const visits = fc.record({ tunnel: text, visitor: text, summary: text, reason: text, status: fc.nat(999) })
  const nothing = { startedAt: 0, firstByteAt: 0, bytesIn: 1, bytesOut: 2, countedIn: 0, countedOut: 0 }
  fc.assert(
    fc.property(visits, fc.constantFrom<AccessKind>('http', 'udp', 'websocket'), (visit, kind) => {
      const lines = new Lines(20_000)
      writeRecord(lines, { ...nothing, kind, ...visit }, visit.tunnel, 3, 4)
      const line = Buffer.from(lines.take()).toString()
      const { tunnel, visitor, summary, status, reason } = new RecordLine(line)
      const record = accessRecord(line, 1, 0)
      assert.deepEqual({ ...record, tunnel, kind: new RecordLine(line).kind, visitor, summary, status, reason }, record)
      assert.deepEqual([record.status, record.kind, line.includes('\n')], [visit.status, kind, false])
    }),
  )
  const short = new RecordLine('app\t0\thttp')
  assert.deepEqual([short.tunnel, short.kind, short.visitor, short.reason], ['app', 'http', '', ''])
})
