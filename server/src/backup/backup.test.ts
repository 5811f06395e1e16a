import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { Failure } from '../failure.ts'
import { makeStore } from '../store/store.ts'
import { makeBackup } from './backup.ts'
import { restoreBackup } from './restore.ts'
import { TAR_END, tarHeader, tarPadding } from './tar.ts'

const HASH = Buffer.alloc(32, 1)
const COMMON = { baseDomain: 'tunnel.example.com', withLog: false, version: '0.1.0' }

async function setUp(t: TestContext) {
  const home = mkdtempSync(join(tmpdir(), 'pbt-backup-'))
  t.after(() => rmSync(home, { recursive: true, force: true }))
  const dataDir = join(home, 'data')
  const store = await makeStore(dataDir)
  await store.tokens.addFirst(HASH, 'first')
  await store.close()
  writeFileSync(join(dataDir, 'dev-ca.pem'), 'certificate')
  mkdirSync(join(dataDir, 'keys'))
  writeFileSync(join(dataDir, 'keys/account.pem'), 'key')
  return { home, dataDir, file: join(home, 'one.tar.gz'), to: join(home, 'other') }
}

const failsWith =
  (code: string, words = /./) =>
  (error: unknown) => {
    assert.ok(error instanceof Failure, String(error))
    assert.deepEqual([error.code, words.test(error.message)], [code, true], error.message)
    assert.notEqual(error.cure, '')
    return true
  }

/** A backup of these files, whatever they are. */
function archive(files: readonly (readonly [name: string, bytes: string])[], manifest?: object): Buffer {
  const hash = (bytes: string) => createHash('sha256').update(bytes).digest('hex')
  const about = {
    ...{ format: 1, version: '0.1.0', madeAt: new Date(0).toISOString(), baseDomain: 'localhost', dataDir: '/x' },
    files: files.map(([name, bytes]) => ({ name, size: bytes.length, sha256: hash(bytes) })),
    ...manifest,
  }
  return tarred([['manifest.json', JSON.stringify(about)], ...files])
}

function tarred(files: readonly (readonly [name: string, bytes: string])[]): Buffer {
  const parts = files.flatMap(([name, bytes]) => {
    const size = Buffer.byteLength(bytes)
    return [tarHeader({ name, size }), Buffer.from(bytes), tarPadding(size)]
  })
  return gzipSync(Buffer.concat([...parts, TAR_END]))
}

test('H13: a backup has database, certificates, keys and settings, for its owner alone, and comes back as it was', async t => {
  const { home, dataDir, file, to } = await setUp(t)
  const yaml = join(home, 'server.yaml')
  writeFileSync(yaml, 'base-domain: tunnel.example.com\n')
  symlinkSync('/etc/passwd', join(dataDir, 'link'))
  const made = await makeBackup({ ...COMMON, dataDir, file, settingsFiles: [yaml, join(home, 'missing.pem')] })
  assert.deepEqual([made.files, made.skipped], [4, ['link']])
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(home).sort(), ['data', 'one.tar.gz', 'server.yaml'])
  await assert.rejects(makeBackup({ ...COMMON, dataDir, file, settingsFiles: [] }), failsWith('file-exists'))

  const { replaced, settings, manifest } = await restoreBackup({ file, dataDir: to, replace: false })
  assert.deepEqual([replaced, manifest.baseDomain], [undefined, 'tunnel.example.com'])
  assert.equal(readFileSync(join(to, 'keys/account.pem'), 'utf8'), 'key')
  assert.equal(readFileSync(join(String(settings), 'server.yaml'), 'utf8'), 'base-domain: tunnel.example.com\n')
  for (const name of ['pbt.db', 'dev-ca.pem', 'keys/account.pem'])
    assert.equal(statSync(join(to, name)).mode & 0o777, 0o600)
  const store = await makeStore(to)
  t.after(() => store.close())
  assert.deepEqual(
    (await store.tokens.live()).map(({ hash }) => Buffer.from(hash)),
    [HASH],
  )
})

test('H13: a restore into a place with data needs --replace, which keeps what was there', async t => {
  const { dataDir, file } = await setUp(t)
  await makeBackup({ ...COMMON, dataDir, file, settingsFiles: [] })
  writeFileSync(join(dataDir, 'dev-ca.pem'), 'newer')
  await assert.rejects(restoreBackup({ file, dataDir, replace: false }), failsWith('not-empty'))
  assert.equal(readFileSync(join(dataDir, 'dev-ca.pem'), 'utf8'), 'newer')
  const { replaced } = await restoreBackup({ file, dataDir, replace: true })
  assert.equal(readFileSync(join(dataDir, 'dev-ca.pem'), 'utf8'), 'certificate')
  assert.equal(readFileSync(join(String(replaced), 'dev-ca.pem'), 'utf8'), 'newer')
  // What was kept is no part of the next backup.
  const next = await makeBackup({ ...COMMON, dataDir, file: `${file}.2`, settingsFiles: [] })
  assert.deepEqual([next.files, next.skipped], [3, []])
})

test('a backup that is damaged, hostile or from a newer version is refused, and changes nothing', async t => {
  const { home, dataDir, file, to } = await setUp(t)
  await makeBackup({ ...COMMON, dataDir, file, settingsFiles: [] })
  const whole = readFileSync(file)
  const plain = gunzipSync(whole)
  const flipped = Buffer.from(plain)
  const at = plain.indexOf('SQLite format 3') + 600
  flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at)
  const linked = Buffer.from(plain)
  linked.write('2', 156) // a symbolic link
  const fake = [['data/pbt.db', 'x']] as const
  const cases: readonly (readonly [what: string, bytes: Buffer, words: RegExp])[] = [
    ['nothing', Buffer.alloc(0), /cannot be used/],
    ['no backup', Buffer.from('hello, this is not a backup at all'), /not a backup/],
    ['cut', whole.subarray(0, whole.length - 40), /damaged|too early/],
    ['one bit', gzipSync(flipped), /checksum/],
    ['a header that was changed', gzipSync(linked), /checksum/],
    ['a path upwards', archive([['data/../../evil', 'x']]), /not valid/],
    ['a path of the root', archive([['/etc/evil', 'x']]), /not valid/],
    ['a hidden file', archive([['data/.ssh/x', 'x']]), /not valid/],
    ['twice the same', archive([...fake, ...fake]), /twice/],
    [
      'more than it says',
      tarred([
        [
          'manifest.json',
          JSON.stringify({ format: 1, version: '0', madeAt: '', baseDomain: '', dataDir: '', files: [] }),
        ],
        ['data/pbt.db', 'x'],
      ]),
      /not as the manifest says/,
    ],
    [
      'less than it says',
      archive([], { files: [{ name: 'data/pbt.db', size: 1, sha256: '0'.repeat(64) }] }),
      /missing/,
    ],
    [
      'a size that is none',
      archive([], { files: [{ name: 'data/pbt.db', size: -1, sha256: '0'.repeat(64) }] }),
      /not valid/,
    ],
    ['too many files', archive([], { files: Array(10_001).fill({}) }), /more than/],
    ['no database', archive([['data/x', 'x']]), /no database/],
    ['a newer form', archive([], { format: 2, version: '9.0.0' }), /newer pbt-server made it \(9\.0\.0\)/],
    ['something after its end', gzipSync(Buffer.concat([plain, Buffer.from('more')])), /follows its end/],
  ]
  for (const [what, bytes, words] of cases) {
    const bad = join(home, 'bad')
    writeFileSync(bad, bytes)
    await assert.rejects(
      restoreBackup({ file: bad, dataDir: to, replace: false }),
      failsWith('backup-invalid', words),
      what,
    )
    assert.deepEqual(
      readdirSync(to).filter(name => name !== 'run'),
      [],
      what,
    )
  }
  const needed = { files: [{ name: 'data/pbt.db', size: 2 ** 52, sha256: '0'.repeat(64) }] }
  writeFileSync(join(home, 'bad'), archive([], needed))
  await assert.rejects(restoreBackup({ file: join(home, 'bad'), dataDir: to, replace: false }), failsWith('disk-full'))
  writeFileSync(join(home, 'bad'), archive([['data/pbt.db', 'not a database, though it is called one']]))
  await assert.rejects(
    restoreBackup({ file: join(home, 'bad'), dataDir: to, replace: false }),
    failsWith('database-broken'),
  )
})
