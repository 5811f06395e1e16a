// Where a daemon cannot have its files it says so and what to do, and a list that is no list takes no tunnel down.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Home } from '../support/daemon.ts'
import { scratch } from '../support/programs.ts'

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
