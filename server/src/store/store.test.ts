import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import { Failure, type FailureCode } from '../failure.ts'
import { migrate } from './migrate.ts'
import { makeStore, openStore, type Store } from './store.ts'

const MIGRATIONS = join(import.meta.dirname, '..', '..', '..', 'prisma', 'migrations')
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

/** Another program that has the right to write until the test lets go. */
function lock(t: TestContext, file: string, how = 'BEGIN IMMEDIATE'): Database.Database {
  const other = new Database(file)
  t.after(() => other.close())
  other.exec(how)
  return other
}

/** Calls again and again while `work` goes on; the longest turn of this thread in milliseconds. */
async function longestTurn(work: Promise<unknown>): Promise<number> {
  let isOver = false
  let longest = 0
  const over = () => {
    isOver = true
  }
  work.then(over, over)
  for (let before = performance.now(); !isOver; ) {
    await turn()
    const now = performance.now()
    longest = Math.max(longest, now - before)
    before = now
  }
  return longest
}

test('while another program writes nobody sleeps, reads go on, and everything is written once in its order', async t => {
  const { file, store } = await setUp(t)
  await store.names.claim(OWNER, ['before'])
  const other = lock(t, file)
  const others = { ...OWNER, target: '127.0.0.1:4000' }
  const writes = [
    store.names.claim(OWNER, ['app']),
    store.names.claim(others, ['app', 'more']),
    store.names.setOffline(['before']),
    store.ports.claim({ ...OWNER, kind: 'tcp' }, 'tcp', 20_000),
    store.tokens.addFirst(Buffer.alloc(32, 2), 'second'),
  ]
  const all = Promise.all(writes)
  const turns = longestTurn(all)
  await pause(300)
  const begun = performance.now()
  assert.equal((await store.names.load()).length, 1, 'reads go on')
  assert.deepEqual(await store.allowlists.allowlists(), [])
  await store.version()
  assert.ok(performance.now() - begun < 250, 'reads do not wait')
  other.exec('COMMIT')
  assert.equal((await all).at(-1), false)
  const longest = await turns
  assert.ok(longest < 250, `this thread stood still for ${Math.round(longest)} ms`)
  const names = (await store.names.load()).map(({ label, target, isOnline }) => [label, target, isOnline])
  assert.deepEqual(names.sort(), [
    ['app', others.target, true],
    ['before', OWNER.target, false],
    ['more', others.target, true],
  ])
  assert.equal((await store.ports.load()).length, 1)
})

test('who waits too long for another program is told so, and nothing has changed', { timeout: 30_000 }, async t => {
  const { file, store } = await setUp(t)
  await store.names.claim(OWNER, ['app'])
  const other = lock(t, file)
  const begun = performance.now()
  const writes = [
    store.names.claim(OWNER, ['new']),
    store.names.setOffline(['app']),
    store.ports.claim(OWNER, 'tcp', 20_000),
    store.allowlists.set('app', ['192.0.2.1']),
  ]
  const turns = longestTurn(Promise.allSettled(writes))
  await Promise.all(writes.map(write => assert.rejects(write, failsWith('database-locked'))))
  const seconds = (performance.now() - begun) / 1_000
  assert.ok(seconds > 4.5 && seconds < 8, `all of them gave up after ${seconds} s`)
  assert.ok((await turns) < 250)
  other.exec('ROLLBACK')
  assert.deepEqual(await store.names.load(), [{ ...OWNER, label: 'app', isOnline: true }])
  assert.deepEqual(await store.ports.load(), [])
  await store.names.claim(OWNER, ['new'])
})

test('what is written alone is not lost with another’s transaction that fails', async t => {
  const { file, store } = await setUp(t)
  const labels = Array.from({ length: 30 }, (_, index) => `app${index}`)
  await store.names.claim(OWNER, labels)
  const other = new Database(file)
  other.exec(`CREATE TRIGGER fails BEFORE INSERT ON subdomains WHEN NEW.label = 'bad'
    BEGIN SELECT RAISE(ABORT, 'not this one'); END`)
  other.close()
  const broken = assert.rejects(store.names.claim(OWNER, ['new', 'bad']))
  // At every moment of the transaction.
  const offline = labels.map(async (label, index) => {
    for (let step = 0; step < 10 * index; step++) await undefined
    await store.names.setOffline([label])
  })
  await Promise.all([broken, ...offline])
  const names = await store.names.load()
  assert.deepEqual(
    names.filter(({ label, isOnline }) => isOnline || label === 'new'),
    [],
  )
})

test('a place where nothing can be made is refused', async t => {
  const dataDir = directory(t)
  writeFileSync(dataDir, 'a file')
  await assert.rejects(makeStore(dataDir), failsWith('data-dir'))
  const other = directory(t)
  mkdirSync(join(other, 'pbt.db'), { recursive: true })
  await assert.rejects(makeStore(other), failsWith('data-dir'))
})

test('an allowlist belongs to an address whoever has it, and other processes see the change', async t => {
  const { dataDir, store } = await setUp(t)
  const server = await openStore(dataDir)
  t.after(() => server.close())
  const before = await server.version()
  await server.names.claim(OWNER, ['myapp'])
  await server.ports.claim({ ...OWNER, kind: 'tcp' }, 'tcp', 20_000)
  assert.equal(await server.version(), before, 'what it changes itself')
  const entries = ['192.0.2.1', '2001:db8::/32']
  for (const nobodys of ['nobody', 'udp:20000', 'tcp:20001']) {
    assert.equal(await store.allowlists.find(nobodys), undefined, nobodys)
    assert.equal(await store.allowlists.set(nobodys, entries), undefined, nobodys)
    assert.equal(await store.allowlists.set(nobodys, undefined), undefined, nobodys)
  }
  assert.deepEqual(await store.allowlists.find('myapp'), { address: 'myapp', entries: undefined })

  const lists = ['app.mine.uk', 'myapp', 'tcp:20000'].map(address => ({ address, entries }))
  for (const list of lists) assert.deepEqual(await store.allowlists.set(list.address, entries), list)
  const changed = await server.version()
  assert.notEqual(changed, before)
  assert.deepEqual(await server.allowlists.allowlists(), lists)
  await server.names.claim({ ...OWNER, machineId: 'another' }, ['myapp'])
  assert.deepEqual(await server.allowlists.find('myapp'), lists[1])

  await store.allowlists.set('myapp', [])
  assert.deepEqual((await server.allowlists.find('myapp'))?.entries, [], 'everybody is a list too')
  for (const { address } of lists) await store.allowlists.set(address, undefined)
  assert.deepEqual(await server.allowlists.allowlists(), [])
  assert.notEqual(await server.version(), changed)
})

test('a list of a tunnel becomes one of each of its addresses', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'pbt-store-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const [file, older] = [join(directory, 'pbt.db'), join(directory, 'migrations')]
  for (const name of ['20261123200053_first', '20261124024620_ports', '20261124175454_allowlists'])
    cpSync(join(MIGRATIONS, name), join(older, name), { recursive: true })
  migrate(file, older)
  const db = new Database(file)
  const tunnel = db.prepare("INSERT INTO tunnels VALUES (?, 'machine', ?, ?, ?, ?)")
  const name = db.prepare('INSERT INTO subdomains VALUES (NULL, ?, TRUE, ?, ?, ?)')
  const list = db.prepare('INSERT INTO allowlists VALUES (?, ?, ?)')
  const at = '2026-11-25T10:00:00.000+00:00'
  for (const [id, kind] of ['http', 'tcp', 'http', 'http', 'http'].entries())
    tunnel.run(id + 1, kind, String(3_000 + id), at, at)
  for (const [label, id] of [
    ['app', 1],
    ['shop', 1],
    ['open', 3],
    ['wide', 4],
  ] as const)
    name.run(label, at, at, id)
  for (const protocol of ['tcp', 'udp'])
    db.prepare('INSERT INTO ports VALUES (NULL, ?, 20022, TRUE, ?, ?, 2)').run(protocol, at, at)
  // The last one has lost its addresses.
  for (const [id, entries] of [
    [1, '192.0.2.1 2001:db8::/32'],
    [2, '198.51.100.0/24'],
    [4, ''],
    [5, '192.0.2.9'],
  ] as const)
    list.run(id, entries, at)
  db.close()
  migrate(file, MIGRATIONS)
  const after = new Database(file)
  t.after(() => after.close())
  assert.deepEqual(after.prepare('SELECT * FROM allowlists ORDER BY address').all(), [
    { address: 'app', entries: '192.0.2.1 2001:db8::/32', changedAt: at },
    { address: 'shop', entries: '192.0.2.1 2001:db8::/32', changedAt: at },
    { address: 'tcp:20022', entries: '198.51.100.0/24', changedAt: at },
    { address: 'udp:20022', entries: '198.51.100.0/24', changedAt: at },
    { address: 'wide', entries: '', changedAt: at },
  ])
})
