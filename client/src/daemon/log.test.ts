// The daemon's log makes room by itself, and nothing about it ends the daemon.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { asideOf, LogFile, lastLines } from './log.ts'

test('a full log is set aside once, and its newest lines are found over both', t => {
  const directory = mkdtempSync(join(tmpdir(), 'pbt-log-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'state/daemon.log')
  const log = new LogFile(path, 1_000)
  for (let line = 0; line < 100; line++) log.write(`${String(line).padStart(49)}\n`)
  const sizes = [path, asideOf(path)].map(each => statSync(each).size)
  assert.ok(sizes.every(size => size <= 1_050) && readdirSync(join(directory, 'state')).length === 2, String(sizes))
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(
    lastLines(path, 25).map(Number),
    Array.from({ length: 25 }, (_, index) => 75 + index),
  )
  log.close()
  // It goes on where it was, and without a place for it says nothing.
  new LogFile(path, 1_000).write('more\n')
  assert.equal(lastLines(path, 1)[0], 'more')
  new LogFile('/dev/null/daemon.log').write('lost\n')
})

test('a full log that cannot be renamed is written on, and says so once', t => {
  const directory = mkdtempSync(join(tmpdir(), 'pbt-log-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'daemon.log')
  // Nothing is renamed over a directory, whoever asks.
  mkdirSync(asideOf(path))
  const log = new LogFile(path, 1_000)
  for (let line = 0; line < 100; line++) log.write(`${String(line).padStart(49)}\n`)
  const text = () => readFileSync(path, 'utf8').trimEnd().split('\n')
  const [notes, lines] = [text().filter(line => /cannot be renamed/.test(line)), text().filter(line => /^ /.test(line))]
  assert.equal(notes.length, 1, notes.join())
  assert.deepEqual(
    lines.map(Number),
    Array.from({ length: 100 }, (_, index) => index),
  )
  rmSync(asideOf(path), { recursive: true })
  for (let line = 0; line < 40; line++) log.write(`${String(line).padStart(49)}\n`)
  assert.ok(statSync(path).size <= 1_050, 'set aside as soon as that is possible')
  log.close()
})
