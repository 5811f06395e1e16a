import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../failure.ts'
import { databaseFailure } from './failures.ts'

test('H12, H13: what SQLite says is told in words with a cure', () => {
  const codes = {
    SQLITE_BUSY: 'database-locked',
    SQLITE_BUSY_SNAPSHOT: 'database-locked',
    SQLITE_NOTADB: 'database-broken',
    SQLITE_CORRUPT_INDEX: 'database-broken',
    SQLITE_READONLY_DIRECTORY: 'database-read-only',
    SQLITE_FULL: 'disk-full',
    SQLITE_CANTOPEN_ISDIR: 'data-dir',
    SQLITE_IOERR_READ: 'database-broken',
  }
  for (const [code, expected] of Object.entries(codes)) {
    const cause = Object.assign(new Error('from SQLite'), { code })
    const failure = databaseFailure(cause, '/data/pbt.db')
    assert.ok(failure instanceof Failure)
    assert.equal(failure.code, expected, code)
    assert.match(failure.message, new RegExp(`/data/pbt.db \\(${code}\\)`))
    assert.notEqual(failure.cure, '')
    assert.equal(failure.cause, cause)
  }
})

test('other errors stay what they are', () => {
  const error = new TypeError('a fault of ours')
  assert.equal(databaseFailure(error, '/data/pbt.db'), error)

  const constraint = Object.assign(new Error('from SQLite'), { code: 'SQLITE_CONSTRAINT_UNIQUE' })
  assert.equal(databaseFailure(constraint, '/data/pbt.db'), constraint)
  for (const nothing of [undefined, null, 'words']) assert.equal(databaseFailure(nothing, '/data/pbt.db'), nothing)
})

test('what Prisma has wrapped is told in the same words', () => {
  const driverAdapterError = new Error('SocketTimeout', { cause: { originalCode: 'SQLITE_FULL' } })
  const wrapped = Object.assign(new Error('from Prisma'), { code: 'P2010', meta: { driverAdapterError } })
  for (const error of [wrapped, driverAdapterError]) {
    const failure = databaseFailure(error, '/data/pbt.db')
    assert.ok(failure instanceof Failure)
    assert.equal(failure.message, 'no room to write the database: /data/pbt.db (SQLITE_FULL)')
  }
})
