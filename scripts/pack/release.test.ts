import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { releasable, writeChecksums } from './release.ts'

test('release: only a commit whose version the changelog names is released', t => {
  const root = mkdtempSync(join(tmpdir(), 'pbt-release-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', root, '-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
      encoding: 'utf8',
    })
  const write = (name: string, text: string) => {
    writeFileSync(join(root, name), text)
    git('add', '.')
    git('commit', '-q', '-m', name)
  }
  git('init', '-q')
  mkdirSync(join(root, 'server'))
  mkdirSync(join(root, 'client'))
  write('server/package.json', '{"version":"1.2.3"}')
  write('client/package.json', '{"version":"1.2.2"}')
  write('CHANGELOG.md', '# Changelog\n\n## Unreleased\n')
  assert.throws(() => releasable(root), /server and client differ: 1\.2\.3, 1\.2\.2/)
  write('client/package.json', '{"version":"1.2.3"}')
  assert.throws(() => releasable(root), /no "## 1\.2\.3"/)
  write('CHANGELOG.md', '# Changelog\n\n## 1.2.3 (2026-11-28)\n')
  assert.deepEqual(releasable(root), { version: '1.2.3', commit: git('rev-parse', 'HEAD').trim() })
  writeFileSync(join(root, 'left.txt'), '')
  assert.throws(() => releasable(root), /not a commit[\s\S]*left\.txt/)

  const sums = writeChecksums([join(root, 'CHANGELOG.md'), join(root, 'left.txt')])
  execFileSync('sha256sum', ['--check', '--strict', sums], { cwd: root, stdio: 'pipe' })
  writeFileSync(join(root, 'left.txt'), 'changed')
  assert.throws(() => execFileSync('sha256sum', ['--check', '--strict', sums], { cwd: root, stdio: 'pipe' }))
})
