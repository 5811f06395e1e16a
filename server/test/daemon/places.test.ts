// Where a daemon cannot have its files it says so and what to do, and a list that is no list takes no tunnel down.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Home, until } from '../support/daemon.ts'
import { CLIENT, program, scratch } from '../support/programs.ts'

test('where nothing can be written, a start says what is missing and what to do, and no fault of pbt', async t => {
  const directory = scratch(t)
  const env = { PBT_HOME: directory, PBT_SERVER: 'localhost:1', PBT_TOKEN: `pbt_${'a'.repeat(43)}` }
  const home = new Home(t, env)
  // In the place of the directories.
  for (const name of ['run', 'state']) writeFileSync(join(directory, name), '')
  for (const [args, pattern] of [
    [
      ['daemon', 'start'],
      /error: the daemon's log \S+ cannot be written: .*\n.*its disk needs room, and this user leave to write there/,
    ],
    [
      ['daemon', 'run'],
      /error: the daemon cannot note its number in \S+\/run: .*\n.*its disk needs room, and this user leave/,
    ],
  ] as const) {
    const { code, stderr } = await home.run(...args)
    assert.equal(code, 1)
    assert.match(stderr, pattern)
    assert.doesNotMatch(stderr, /fault of pbt/)
  }
})

test('a list that is a pipe, a directory, or far too long is told, and read again once it is one', async t => {
  const directory = scratch(t)
  const env = { PBT_HOME: directory, PBT_SERVER: 'localhost:1', PBT_TOKEN: `pbt_${'a'.repeat(43)}` }
  const home = new Home(t, env)
  assert.equal((await home.json('daemon', 'start')).code, 0)
  assert.equal(spawnSync('mkfifo', [home.file]).status, 0)
  await home.logged(
    /tunnels\.yaml:1: cannot be read: it is no file; it has to be a list of tunnels that this user may read/,
  )
  spawnSync('rm', [home.file])
  mkdirSync(home.file)
  let skip = home.log.length
  await home.logged(/cannot be read: it is no file/, skip)
  spawnSync('rmdir', [home.file])
  skip = home.log.length
  writeFileSync(home.file, 'x'.repeat(10_000_000))
  await home.logged(/cannot be read: it has 10000000 bytes, more than 1048576/, skip)
  writeFileSync(home.file, '- http: 3000\n  name: app\n')
  const { events } = await home.json('tunnel', 'start', 'app')
  assert.equal(events[0]?.event, 'kept', JSON.stringify(events))
})

test('"pbt up --file" with a pipe, which could not be read again, says so', async t => {
  const env = { PBT_HOME: scratch(t), PBT_SERVER: 'localhost:1', PBT_TOKEN: `pbt_${'a'.repeat(43)}` }
  const up = program(t, CLIENT, ['up', '--file', '/dev/stdin'], env, '- tcp: 22\n')
  assert.equal((await up.exited).code, 2)
  assert.match(up.stderr, /--file "\/dev\/stdin" does not exist[\s\S]*a pipe is none/)
})

/** A disk of this many bytes; undefined where none can be mounted. */
function smallDisk(t: TestContext, bytes: number): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'pbt-disk-'))
  t.after(() => {
    spawnSync('umount', ['--lazy', directory])
    rmdirSync(directory)
  })
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', directory])
  return status === 0 ? directory : undefined
}

/** Nothing more fits but these bytes. */
function fill(directory: string, leftBytes: number): string {
  const filler = join(directory, 'filler')
  spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4096'])
  truncateSync(filler, statSync(filler).size - leftBytes)
  return filler
}

test('on a full disk a list of tunnels stays whole, and a daemon that was killed comes back', async t => {
  const directory = smallDisk(t, 512 * 1024)
  if (directory === undefined) return t.skip('a small disk of its own needs root')
  const env = { PBT_HOME: directory, PBT_SERVER: 'localhost:1', PBT_TOKEN: `pbt_${'a'.repeat(43)}` }
  const home = new Home(t, env)
  home.write(`# ${'about the blog '.repeat(400)}\n- http: 3000\n  name: app\n`)
  const text = readFileSync(home.file, 'utf8')
  assert.equal((await home.json('daemon', 'start')).code, 0)
  const files = readdirSync(directory).sort()
  // The beginning of the list fits.
  const filler = fill(directory, 4_096)
  const { events } = await home.json('tunnel', 'stop', 'app')
  assert.match(String(events[0]?.message), /tunnels\.yaml cannot be written: ENOSPC/)
  assert.match(String(events[0]?.cure), /make room/)
  assert.equal(readFileSync(home.file, 'utf8'), text)
  fill(directory, 0)
  process.kill(home.pid, 'SIGKILL')
  await until(
    async () => (await home.json('daemon', 'status')).events[0]?.state === 'stopped',
    () => 'its end',
  )
  const again = await home.json('daemon', 'start')
  assert.deepEqual([again.code, again.events[0]?.pid], [0, home.pid], again.stderr)
  assert.equal((await home.tunnels()).has('app'), true)
  rmSync(filler)
  assert.deepEqual(readdirSync(directory).sort(), files, 'nothing half-written is left')
  assert.equal((await home.json('tunnel', 'stop', 'app')).code, 0)
  assert.match(readFileSync(home.file, 'utf8'), /stopped: true/)
})
