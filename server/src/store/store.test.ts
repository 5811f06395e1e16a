import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import { stopwatch } from '../../test/support/process.ts'
import { Failure, type FailureCode } from '../failure.ts'
import { makeStore, openStore, type Store } from './store.ts'

const OWNER = { name: 'app', machineId: 'machine', kind: 'http', target: '127.0.0.1:3000', allow: [] }

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'pbt-store-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return join(path, 'data')
}

async function setUp(t: TestContext): Promise<{ dataDir: string; file: string; store: Store }> {
  const dataDir = directory(t)
  const store = await makeStore(dataDir)
  t.after(() => store.close())
  await store.tokens.addFirst(Buffer.alloc(32, 1), 'first')
  return { dataDir, file: join(dataDir, 'pbt.db'), store }
}

async function addressesIn(store: Store) {
  const all = await store.addresses.load()
  return all.map(({ address, affinity, isExpected }) => [address, affinity?.target, isExpected])
}

function failsWith(code: FailureCode) {
  return (error: unknown) => {
    assert.ok(error instanceof Failure, String(error))
    assert.equal(error.code, code)
    assert.notEqual(error.cure, '')
    return true
  }
}

test('what is made is for the owner alone', async t => {
  const { dataDir, file } = await setUp(t)
  assert.equal(statSync(dataDir).mode & 0o777, 0o700)
  for (const part of ['', '-wal', '-shm']) assert.equal(statSync(file + part).mode & 0o777, 0o600, part)
})

test('a directory without a server is not a server', async t => {
  const dataDir = directory(t)
  await assert.rejects(openStore(dataDir), failsWith('not-initialised'))
  await (await makeStore(dataDir)).close()
  // The program was ended between making the database and the token: nobody has seen a token.
  await assert.rejects(openStore(dataDir), failsWith('not-initialised'))
})

test('what is acknowledged is there after opening again', async t => {
  const { dataDir, store } = await setUp(t)
  assert.ok(store.applied.length > 0)
  await store.addresses.claim(OWNER, ['myapp'])
  await store.close()
  const again = await openStore(dataDir)
  t.after(() => again.close())
  assert.deepEqual(again.applied, [])
  assert.deepEqual(await again.tokens.live(), [{ id: 1, hash: Buffer.alloc(32, 1) }])
  assert.deepEqual(await addressesIn(again), [['myapp', OWNER.target, true]])
})

test('there is only one first token', async t => {
  const { store } = await setUp(t)
  assert.equal(await store.tokens.addFirst(Buffer.alloc(32, 2), 'second'), false)
  assert.equal((await store.tokens.live()).length, 1)
})

test('the database keeps a write-ahead log', async t => {
  const { file } = await setUp(t)
  const db = new Database(file)
  t.after(() => db.close())
  assert.equal(db.pragma('journal_mode', { simple: true }), 'wal')
})

test('several starts at once all succeed, and one of them migrates', { timeout: 60_000 }, async t => {
  const dataDir = directory(t)
  const module = JSON.stringify(new URL('./store.ts', import.meta.url).href)
  const script = `const { makeStore } = await import(${module}); const s = await makeStore(process.argv[1]);
    const isFirst = await s.tokens.addFirst(Buffer.alloc(32, process.pid), 'first');
    process.stdout.write(s.applied.length + ' ' + isFirst + '\\n'); await s.close()`
  const run = promisify(execFile)
  const starts = Array.from({ length: 4 }, () => run(process.execPath, ['--input-type=module', '-e', script, dataDir]))
  const lines = (await Promise.all(starts)).map(({ stdout }) => stdout.trim())
  assert.equal(lines.filter(line => !line.startsWith('0')).length, 1, lines.join())
  assert.equal(lines.filter(line => line.endsWith('true')).length, 1, lines.join())
})

test('H17: a database of a newer version is refused and left alone', async t => {
  const { dataDir, file, store } = await setUp(t)
  await store.close()
  const db = new Database(file)
  db.exec(`INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', 'y', '29990101000000_later')`)
  db.close()
  await assert.rejects(openStore(dataDir), failsWith('database-newer'))
})

test('H13: a damaged database is refused and never made anew', async t => {
  for (const damage of [
    (file: string) => writeFileSync(file, 'this is no database, it only lies where one should be'),
    (file: string) => truncateSync(file, 8_192),
  ]) {
    const { dataDir, file, store } = await setUp(t)
    await store.close()
    damage(file)
    const before = readFileSync(file)
    await assert.rejects(openStore(dataDir), failsWith('database-broken'))
    await assert.rejects(makeStore(dataDir), failsWith('database-broken'))
    assert.deepEqual(readFileSync(file), before)
  }
})

test('H13: a database that another program keeps locked is refused after a while', { timeout: 30_000 }, async t => {
  const { dataDir, file, store } = await setUp(t)
  await store.close()
  const other = new Database(file)
  t.after(() => other.close())
  other.pragma('locking_mode = EXCLUSIVE')
  other.exec('BEGIN EXCLUSIVE')
  await assert.rejects(openStore(dataDir), failsWith('database-locked'))
})

/** Another program that has the right to write until the test lets go. */
function lock(t: TestContext, file: string, how = 'BEGIN IMMEDIATE'): Database.Database {
  const other = new Database(file)
  t.after(() => other.close())
  other.exec(how)
  return other
}

/** Calls again and again while `work` goes on; the longest turn of this thread in milliseconds, less what other programs took. */
async function longestTurn(work: Promise<unknown>): Promise<number> {
  let isOver = false
  let longest = 0
  const over = () => {
    isOver = true
  }
  work.then(over, over)
  const passed = stopwatch()
  for (let before = passed(); !isOver; ) {
    await turn()
    const now = passed()
    longest = Math.max(longest, now - before)
    before = now
  }
  return longest
}

test('while another program writes nothing sleeps, reads go on, and everything is written once in its order', async t => {
  const { file, store } = await setUp(t)
  await store.addresses.claim(OWNER, ['before'])
  const other = lock(t, file)
  const others = { ...OWNER, name: 'others', target: '127.0.0.1:4000' }
  const writes = [
    store.addresses.claim(OWNER, ['app']),
    store.addresses.claim(others, ['app', 'more']),
    store.addresses.setUnexpected(['before']),
    store.addresses.claim({ ...OWNER, name: 'tcp-20000', kind: 'tcp' }, ['tcp:20000']),
    store.tokens.addFirst(Buffer.alloc(32, 2), 'second'),
  ]
  const all = Promise.all(writes)
  const turns = longestTurn(all)
  await pause(300)
  const passed = stopwatch()
  assert.equal((await store.addresses.load()).length, 1, 'reads go on')
  assert.deepEqual(await store.addresses.allowlists(), [])
  await store.version()
  assert.ok(passed() < 250, 'reads do not wait')
  other.exec('COMMIT')
  assert.equal((await all).at(-1), false)
  const longest = await turns
  assert.ok(longest < 250, `this thread stood still for ${Math.round(longest)} ms`)
  assert.deepEqual((await addressesIn(store)).sort(), [
    ['app', others.target, true],
    ['before', OWNER.target, false],
    ['more', others.target, true],
    ['tcp:20000', OWNER.target, true],
  ])
})

test('a writer that waits too long for another program is told so, and nothing has changed', {
  timeout: 30_000,
}, async t => {
  const { file, store } = await setUp(t)
  await store.addresses.claim(OWNER, ['app'])
  const other = lock(t, file)
  const begun = performance.now()
  const passed = stopwatch()
  const writes = [
    store.addresses.claim(OWNER, ['new']),
    store.addresses.setUnexpected(['app']),
    store.addresses.claim({ ...OWNER, kind: 'tcp' }, ['tcp:20000']),
    store.addresses.setList('app', () => ({
      access: 'listed',
      entries: [{ block: '192.0.2.1', note: '', endsAt: undefined }],
    })),
    store.tokens.replace(Buffer.alloc(32, 3), 'new'),
  ]
  const turns = longestTurn(Promise.allSettled(writes))
  await Promise.all(writes.map(write => assert.rejects(write, failsWith('database-locked'))))
  const [leastMs, mostMs] = [passed(), performance.now() - begun]
  assert.ok(mostMs > 4_500 && leastMs < 8_000, `all of them gave up after ${Math.round(mostMs)} ms`)
  assert.ok((await turns) < 250)
  other.exec('ROLLBACK')
  assert.deepEqual(await addressesIn(store), [['app', OWNER.target, true]])
  assert.deepEqual(await store.addresses.allowlists(), [])
  assert.equal((await store.tokens.live()).length, 1)
  await store.addresses.claim(OWNER, ['new'])
})

test('what is written alone is not lost with another’s transaction that fails', async t => {
  const { file, store } = await setUp(t)
  const labels = Array.from({ length: 30 }, (_, index) => `app${index}`)
  await store.addresses.claim(OWNER, labels)
  const other = new Database(file)
  other.exec(`CREATE TRIGGER fails BEFORE INSERT ON addresses WHEN NEW.address = 'bad'
    BEGIN SELECT RAISE(ABORT, 'not this one'); END`)
  other.close()
  const broken = assert.rejects(store.addresses.claim(OWNER, ['new', 'bad']))
  // At every moment of the transaction.
  const offline = labels.map(async (label, index) => {
    for (let step = 0; step < 10 * index; step++) await undefined
    await store.addresses.setUnexpected([label])
  })
  await Promise.all([broken, ...offline])
  const wrong = (await store.addresses.load()).filter(({ address, isExpected }) => isExpected || address === 'new')
  assert.deepEqual(wrong, [])
})

test('a place where nothing can be made is refused', async t => {
  const dataDir = directory(t)
  writeFileSync(dataDir, 'a file')
  await assert.rejects(makeStore(dataDir), failsWith('data-dir'))
  const other = directory(t)
  mkdirSync(join(other, 'pbt.db'), { recursive: true })
  await assert.rejects(makeStore(other), failsWith('data-dir'))
})
