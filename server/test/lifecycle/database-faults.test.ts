// A database that cannot be used as it is: the server says so and ends, and the file stays what it was.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { SERVER_FLAGS } from '../../../launch/launch.js'
import { program, SERVER, SERVER_MAIN, scratch } from '../support/programs.ts'

const PORTS = ['--https-port', '0', '--http-port', '0']
/** Nobody's, on every Linux. */
const NOBODY = 65_534

async function initialised(t: TestContext): Promise<{ dataDir: string; file: string }> {
  const dataDir = join(scratch(t), 'data')
  const init = program(t, SERVER, ['init', '--json', '--data-dir', dataDir])
  await init.event('initialised')
  await init.exited
  return { dataDir, file: join(dataDir, 'pbt.db') }
}

/** Starts the server, which must refuse, and the file must be what it was. */
async function refuses(t: TestContext, dataDir: string, code: string, words: RegExp): Promise<void> {
  const file = join(dataDir, 'pbt.db')
  const before = readFileSync(file)
  const attempts = [['start', ...PORTS] as const, ['init'] as const].map(async ([command, ...rest]) => {
    const server = program(t, SERVER, [command, ...rest, '--json', '--data-dir', dataDir])
    const error = await server.event('error')
    assert.equal(error.code, code, command)
    assert.match(`${error.message} ${error.cure}`, words)
    assert.equal((await server.exited).code, 1)
  })
  await Promise.all(attempts)
  assert.deepEqual(readFileSync(file), before, 'the file is what it was')
}

test('H13: a corrupt database is refused with the file and the cure, and is left as it is', async t => {
  const damages: readonly ((file: string) => void)[] = [
    file => writeFileSync(file, 'this is no database, it only lies where one should be'),
    file => truncateSync(file, 8_192),
    file => {
      const bytes = readFileSync(file)
      writeFileSync(file, bytes.fill(0xa5, 4_096, bytes.length))
    },
  ]
  for (const damage of damages) {
    const { dataDir, file } = await initialised(t)
    damage(file)
    await refuses(t, dataDir, 'database-broken', /damaged: .*pbt\.db.*restore a backup in its place/)
  }
})

test('H17: a database of a newer version is refused and left alone', async t => {
  const { dataDir, file } = await initialised(t)
  const db = new DatabaseSync(file)
  db.exec(`INSERT INTO _prisma_migrations (id, checksum, migration_name) VALUES ('x', 'y', '29990101000000_later')`)
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  db.close()
  await refuses(t, dataDir, 'database-newer', /newer pbt-server.*29990101000000_later.*run that version or a later one/)
})

test('H13: a database that may only be read is refused with the cure, and is left as it is', async t => {
  const { dataDir, file } = await initialised(t)
  const isRoot = process.getuid?.() === 0
  // Root may write everything: then it is tried as nobody, who has to be able to read the checkout.
  if (isRoot) for (const path of [dirname(dataDir), dataDir, file]) chownSync(path, NOBODY, NOBODY)
  chmodSync(file, 0o400)
  const before = readFileSync(file)
  const args = [...SERVER_FLAGS, SERVER_MAIN, 'start', ...PORTS, '--json', '--data-dir', dataDir]
  const child = spawn(process.execPath, args, {
    ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
    // What lies in root's home is not for nobody.
    env: { ...process.env, HOME: dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.after(() => child.kill('SIGKILL'))
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', chunk => {
    stdout += chunk
  })
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  // A program that cannot even be started rejects `once`.
  const [exit] = await once(child, 'close').catch((error: unknown) => [error])
  if (
    (exit instanceof Error && 'code' in exit && exit.code === 'EACCES') ||
    /EACCES.*main\.ts|Cannot find module/.test(stderr)
  ) {
    t.skip('nobody cannot read the checkout here')
    return
  }
  assert.equal(exit, 1, stdout + stderr)
  const { code, message, cure } = JSON.parse(stdout)
  assert.equal(code, 'database-read-only')
  assert.match(`${message} ${cure}`, /cannot be written: .*pbt\.db.*write access/)
  assert.deepEqual(readFileSync(file), before)
})
