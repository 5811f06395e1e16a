// `npm run release`: what `npm run pack` makes, from a tree that is exactly a commit, with checksums beside it. Only such tarballs may be
// published: those of `npm run pack` are private.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pack } from './pack.ts'

/** What may be released from this checkout; throws with what is in the way. */
export function releasable(root: string): { readonly version: string; readonly commit: string } {
  const git = (...args: string[]) => execFileSync('git', ['-C', root, ...args], { encoding: 'utf8' }).trim()
  const changed = git('status', '--porcelain')
  if (changed !== '') throw new Error(`the tree is not a commit; commit or remove first:\n${changed}`)
  const versions = ['server', 'client'].map(folder => versionIn(join(root, folder, 'package.json')))
  const [version = ''] = versions
  if (versions.some(each => each !== version)) throw new Error(`server and client differ: ${versions.join(', ')}`)
  if (
    !readFileSync(join(root, 'CHANGELOG.md'), 'utf8')
      .split('\n')
      .some(line => line.startsWith(`## ${version}`))
  )
    throw new Error(`CHANGELOG.md has no "## ${version}": name the section of what is released`)
  return { version, commit: git('rev-parse', 'HEAD') }
}

/** SHA256SUMS beside the files, which "sha256sum -c" reads; returns its path. */
export function writeChecksums(files: readonly string[]): string {
  const sums = join(dirname(files[0] ?? '.'), 'SHA256SUMS')
  const lines = files.map(
    file => `${createHash('sha256').update(readFileSync(file)).digest('hex')}  ${basename(file)}\n`,
  )
  writeFileSync(sums, lines.join(''))
  return sums
}

function versionIn(manifest: string): string {
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}

async function release(): Promise<void> {
  const { version, commit } = releasable(fileURLToPath(new URL('../..', import.meta.url)))
  const files = await pack({ panel: 'build', isPublic: true })
  process.stdout.write(`pbt ${version}, of commit ${commit}\n${[...files, writeChecksums(files)].join('\n')}\n`)
}

if (import.meta.main) {
  await release().catch((error: Error) => {
    process.stderr.write(`release: ${error.message}\n`)
    process.exitCode = 1
  })
}
