import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { Failure } from '../failure.ts'
import { migrate } from './migrate.ts'

const PARENTS = `CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parents (id) ON DELETE CASCADE);
INSERT INTO parents VALUES (1, 'ada'); INSERT INTO children VALUES (1, 1);`

// As Prisma writes it when a column changes.
const REDEFINED = `PRAGMA defer_foreign_keys=ON; PRAGMA foreign_keys=OFF;
CREATE TABLE new_parents (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT '');
INSERT INTO new_parents SELECT id, name FROM parents;
DROP TABLE parents; ALTER TABLE new_parents RENAME TO parents;
PRAGMA foreign_keys=ON; PRAGMA defer_foreign_keys=OFF;`

function setUp(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'pbt-migrate-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const migrations = join(directory, 'migrations')
  const file = join(directory, 'test.db')
  const add = (name: string, sql: string) => {
    mkdirSync(join(migrations, name), { recursive: true })
    writeFileSync(join(migrations, name, 'migration.sql'), sql)
  }
  const count = (table: string) => {
    const db = new Database(file)
    try {
      return db.prepare<[], { n: number }>(`SELECT count(*) AS n FROM ${table}`).all()[0]?.n
    } finally {
      db.close()
    }
  }
  return { add, count, run: () => migrate(file, migrations) }
}

test('missing migrations are applied in order, once', t => {
  const { add, run } = setUp(t)
  add('1_parents', PARENTS)
  assert.deepEqual(run(), ['1_parents'])
  assert.deepEqual(run(), [])
  add('3_third', 'CREATE TABLE third (id INTEGER)')
  add('2_second', 'CREATE TABLE second (id INTEGER)')
  assert.deepEqual(run(), ['2_second', '3_third'])
})

test('a table that is made anew keeps its children', t => {
  const { add, count, run } = setUp(t)
  add('1_parents', PARENTS)
  run()
  add('2_redefined', REDEFINED)
  run()
  assert.equal(count('children'), 1)
})

test('H17: a migration that fails leaves nothing behind, and succeeds later', t => {
  const { add, count, run } = setUp(t)
  add('1_parents', PARENTS)
  run()
  add('2_good', 'CREATE TABLE good (id INTEGER)')
  add('3_bad', 'CREATE TABLE bad (id INTEGER); INSERT INTO nowhere VALUES (1)')
  assert.throws(run, /nowhere/)
  assert.throws(() => count('good'), /no such table/)
  add('3_bad', 'CREATE TABLE bad (id INTEGER)')
  assert.deepEqual(run(), ['2_good', '3_bad'])
})

test('a migration that leaves rows without their parents is refused', t => {
  const { add, count, run } = setUp(t)
  add('1_parents', PARENTS)
  run()
  add('2_orphans', 'DELETE FROM parents')
  assert.throws(run, (error: unknown) => error instanceof Failure && error.code === 'database-broken')
  assert.equal(count('parents'), 1)
})

test('a migration that was changed after it was applied is noticed', t => {
  const { add, run } = setUp(t)
  add('1_parents', PARENTS)
  run()
  add('1_parents', `${PARENTS} -- changed`)
  assert.throws(run, (error: unknown) => error instanceof Failure && /1_parents differs/.test(error.message))
})
