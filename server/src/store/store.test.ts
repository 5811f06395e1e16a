import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import { Failure, type FailureCode } from '../failure.ts'
import { makeStore, openStore, type Store } from './store.ts'

const OWNER = { machineId: 'machine', kind: 'http', target: '127.0.0.1:3000' }

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
  await store.names.claim(OWNER, ['myapp'])
  await store.close()
  const again = await openStore(dataDir)
  t.after(() => again.close())
  assert.deepEqual(again.applied, [])
  assert.deepEqual(await again.tokens.live(), [{ id: 1, hash: Buffer.alloc(32, 1) }])
  assert.deepEqual(await again.names.load(), [{ ...OWNER, label: 'myapp', isOnline: true }])
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

test('a place where nothing can be made is refused', async t => {
  const dataDir = directory(t)
  writeFileSync(dataDir, 'a file')
  await assert.rejects(makeStore(dataDir), failsWith('data-dir'))
  const other = directory(t)
  mkdirSync(join(other, 'pbt.db'), { recursive: true })
  await assert.rejects(makeStore(other), failsWith('data-dir'))
})

test('allowlists belong to the tunnel that an address is reserved for, and other processes see the change', async t => {
  const { dataDir, store } = await setUp(t)
  const server = await openStore(dataDir)
  t.after(() => server.close())
  const before = await server.version()
  await server.names.claim(OWNER, ['myapp', 'other'])
  assert.equal(await server.version(), before, 'what it changes itself')
  assert.equal(await store.allowlists.set({ label: 'nobody' }, ['192.0.2.1']), undefined)
  assert.equal(await store.allowlists.set({ protocol: 'tcp', number: 20_000 }, ['192.0.2.1']), undefined)

  const tunnel = { addresses: ['myapp', 'other'], entries: ['192.0.2.1', '2001:db8::/32'] }
  assert.deepEqual(await store.allowlists.set({ label: 'other' }, tunnel.entries), tunnel)
  const changed = await server.version()
  assert.notEqual(changed, before)
  assert.deepEqual(await server.allowlists.allowlists(), [{ ...OWNER, entries: tunnel.entries }])
  assert.deepEqual(await server.allowlists.find({ label: 'myapp' }), tunnel)
  assert.deepEqual(await server.allowlists.listed(), [tunnel])

  await store.allowlists.set({ label: 'myapp' }, [])
  assert.deepEqual(await server.allowlists.allowlists(), [{ ...OWNER, entries: [] }], 'everybody is a list too')
  await store.allowlists.set({ label: 'myapp' }, undefined)
  assert.deepEqual(await server.allowlists.listed(), [])
  assert.notEqual(await server.version(), changed)
})
