// The migrations of releases before this one, with what an owner has by then: everything is kept, whenever the process ends.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import type { KeptAddress } from '../owner/addresses.ts'
import { keptAddress } from '../relay/address.ts'
import { migrate } from './migrate.ts'
import { openStore } from './store.ts'

const MIGRATIONS = join(import.meta.dirname, '..', '..', '..', 'prisma', 'migrations')
const AT = '2026-11-25T10:00:00.000+00:00'
const MANY = 1_000

/** The migrations up to this one. */
function upTo(directory: string, last: string): string {
  const older = join(directory, `until-${last}`)
  for (const name of readdirSync(MIGRATIONS).sort()) {
    if (!/^\d/.test(name)) continue
    cpSync(join(MIGRATIONS, name), join(older, name), { recursive: true })
    if (name.endsWith(last)) break
  }
  return older
}

function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'pbt-migrations-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** The data directory of a server before addresses were one table: names, ports, lists of both and of custom domains. */
function older(t: TestContext) {
  const directory = scratch(t)
  const file = join(directory, 'pbt.db')
  migrate(file, upTo(directory, 'address_lists'))
  const db = new Database(file)
  const tunnel = db.prepare("INSERT INTO tunnels VALUES (?, 'machine', ?, ?, ?, ?)")
  const name = db.prepare('INSERT INTO subdomains VALUES (NULL, ?, ?, ?, ?, ?)')
  const port = db.prepare('INSERT INTO ports VALUES (NULL, ?, ?, ?, ?, ?, ?)')
  const list = db.prepare('INSERT INTO allowlists VALUES (?, ?, ?)')
  db.transaction(() => {
    db.prepare('INSERT INTO tokens (hash, label, createdAt) VALUES (?, ?, ?)').run('11'.repeat(32), 'first', AT)
    for (let index = 0; index < MANY; index++) {
      const [http, tcp] = [2 * index + 1, 2 * index + 2]
      tunnel.run(http, 'http', `127.0.0.1:${index}`, AT, AT)
      tunnel.run(tcp, 'tcp', `127.0.0.1:${index}`, AT, AT)
      name.run(`app${index}`, index % 2, AT, AT, http)
      port.run('tcp', 20_000 + index, index % 2, AT, AT, tcp)
      list.run(`app${index}`, index % 3 === 0 ? '' : `192.0.2.${index % 256} 2001:db8::${index}/128`, AT)
    }
    // What looks like another's name, a tunnel with several addresses, a tunnel without one, lists of addresses that nobody has.
    name.run('tcp-20000', 1, AT, AT, 1)
    name.run('also', 1, AT, AT, 1)
    tunnel.run(9_999, 'http', 'gone', AT, AT)
    for (const address of ['app.mine.uk', 'tcp:30000']) list.run(address, '192.0.2.1', AT)
  })()
  db.close()
  return { directory, file }
}

async function checkWhole(directory: string): Promise<void> {
  const store = await openStore(directory)
  try {
    const all = new Map((await store.addresses.list()).map(address => [address.address, address]))
    assert.equal(all.size, 2 * MANY + 4)
    for (let index = 0; index < MANY; index++) {
      const [name, port] = [all.get(`app${index}`), all.get(`tcp:${20_000 + index}`)]
      assert.ok(name !== undefined && port !== undefined, String(index))
      for (const { target, isExpected, lastUsedAt } of [name, port]) {
        assert.deepEqual([target, isExpected, lastUsedAt], [`127.0.0.1:${index}`, index % 2 === 1, new Date(AT)])
      }
      const blocks = index % 3 === 0 ? [] : [`192.0.2.${index % 256}`, `2001:db8::${index}/128`]
      assert.deepEqual([name.access, blocksOf(name)], [blocks.length === 0 ? 'everybody' : 'listed', blocks])
      assert.deepEqual(
        [port.access, blocksOf(port), port.tunnel],
        ['client', [], index === 0 ? 'tcp-20000-port-2' : `tcp-${20_000 + index}`],
      )
    }
    for (const address of ['app.mine.uk', 'tcp:30000']) {
      const kept = all.get(address)
      assert.deepEqual([kept?.access, blocksOf(kept), kept?.tunnel], ['listed', ['192.0.2.1'], ''])
    }
    // As the relay reads them: the texts are those of addresses, each target has what it had.
    for (const { address, affinity } of await store.addresses.load()) {
      assert.equal(keptAddress(address, 'localhost').text, address)
      if (affinity !== undefined) assert.equal(affinity.kind, address.startsWith('tcp:') ? 'tcp' : 'http')
    }
    const [token] = await store.tokens.list()
    assert.deepEqual([token?.label, token?.endsAt], ['first', undefined])
  } finally {
    await store.close()
  }
}

const blocksOf = (kept: KeptAddress | undefined) => kept?.entries.map(({ block }) => block)

test('H17: a database with 1,000 names, ports and lists keeps all of them, and an older server refuses the new one', async t => {
  const { directory, file } = older(t)
  const before = performance.now()
  assert.ok(migrate(file, MIGRATIONS).length > 0)
  t.diagnostic(`${Math.round(performance.now() - before)} ms`)
  await checkWhole(directory)
  const refused = { code: 'database-newer', cure: 'run that version or a later one' }
  assert.throws(() => migrate(file, upTo(directory, 'address_lists')), refused)
})

test('H17: a migration that is killed at any moment is made whole by the next start', { timeout: 120_000 }, async t => {
  const made = older(t)
  const module = JSON.stringify(new URL('./migrate.ts', import.meta.url).href)
  // It says when it begins, so that the moments at which it is killed are those of the migration.
  const script = `const { migrate } = await import(${module}); process.stdout.write('begun');
    migrate(process.argv[1], process.argv[2]); process.stdout.write('whole')`
  const outcomes = { killed: 0, whole: 0 }
  for (let round = 0; round < 12; round++) {
    const directory = scratch(t)
    const file = join(directory, 'pbt.db')
    copyFileSync(made.file, file)
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, file, MIGRATIONS])
    await once(child.stdout, 'data')
    const timer = setTimeout(() => child.kill('SIGKILL'), 4 * round)
    const [, signal] = await once(child, 'exit')
    clearTimeout(timer)
    outcomes[signal === null ? 'whole' : 'killed']++
    await checkWhole(directory)
  }
  t.diagnostic(JSON.stringify(outcomes))
  assert.ok(outcomes.killed > 0)
})

test('a list of a tunnel became one of each of its addresses, and still is', async t => {
  const directory = scratch(t)
  const file = join(directory, 'pbt.db')
  migrate(file, upTo(directory, 'allowlists'))
  const db = new Database(file)
  const tunnel = db.prepare("INSERT INTO tunnels VALUES (?, 'machine', ?, ?, ?, ?)")
  const name = db.prepare('INSERT INTO subdomains VALUES (NULL, ?, TRUE, ?, ?, ?)')
  const list = db.prepare('INSERT INTO allowlists VALUES (?, ?, ?)')
  for (const [id, kind] of ['http', 'tcp', 'http', 'http', 'http'].entries())
    tunnel.run(id + 1, kind, String(3_000 + id), AT, AT)
  for (const [label, id] of Object.entries({ app: 1, shop: 1, open: 3, wide: 4 })) name.run(label, AT, AT, id)
  for (const protocol of ['tcp', 'udp'])
    db.prepare('INSERT INTO ports VALUES (NULL, ?, 20022, TRUE, ?, ?, 2)').run(protocol, AT, AT)
  // The last one has lost its addresses.
  const lists = { 1: '192.0.2.1 2001:db8::/32', 2: '198.51.100.0/24', 4: '', 5: '192.0.2.9' }
  for (const [id, entries] of Object.entries(lists)) list.run(id, entries, AT)
  db.prepare('INSERT INTO tokens (hash, label, createdAt) VALUES (?, ?, ?)').run('11'.repeat(32), 'first', AT)
  db.close()
  const store = await openStore(directory)
  t.after(() => store.close())
  const all = (await store.addresses.list()).map(kept => [kept.address, kept.access, ...(blocksOf(kept) ?? [])])
  assert.deepEqual(all, [
    ['app', 'listed', '192.0.2.1', '2001:db8::/32'],
    ['open', 'client'],
    ['shop', 'listed', '192.0.2.1', '2001:db8::/32'],
    ['tcp:20022', 'listed', '198.51.100.0/24'],
    ['udp:20022', 'listed', '198.51.100.0/24'],
    ['wide', 'everybody'],
  ])
})
