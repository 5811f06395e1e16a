// The files of an exported panel, all in memory: what is not in this table cannot be asked for, whatever a path looks like.
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { extname, join, relative, sep } from 'node:path'
import { Failure } from '../../failure.ts'
import { pagePolicy } from './policy.ts'

/** What is held of the panel, bytes: it is about 3 MB with its compressed twins, and more is not the panel. */
const MAX_BYTES = 64 * 1_048_576
/** Its files; it has about 400. */
const MAX_FILES = 4_000
/** Written last by the build: what the export was made of. */
const STAMP = '.sources'

/** How a file is sent; the smallest that the browser takes is chosen. */
export type Encoding = 'br' | 'gzip' | 'identity'

/** One file as it is answered. */
export interface PanelFile {
  readonly bodies: Readonly<Partial<Record<Encoding, Buffer>>> & { readonly identity: Buffer }
  readonly type: string
  /** Of its content, without quotes. */
  readonly hash: string
  /** Its name has a hash of its content: it never changes. */
  readonly isImmutable: boolean
  /** Of a page. */
  readonly policy?: string
}

/** An export that was read whole. */
export interface PanelFiles {
  /** By path below the folder, with `/`. */
  readonly files: ReadonlyMap<string, PanelFile>
  /** What it was made of. */
  readonly build: string
}

/** What tells that the export is another one: cheap, to be asked often. Undefined: there is none. */
export async function stampOf(folder: string): Promise<string | undefined> {
  try {
    const { mtimeMs, ino, size } = await stat(join(folder, STAMP))
    return `${mtimeMs}-${ino}-${size}`
  } catch {
    return undefined
  }
}

/** Reads all of it. Rejects with Failure when it is too large, and with the system's error when it changes meanwhile. */
export async function readPanel(folder: string): Promise<PanelFiles> {
  const build = (await readFile(join(folder, STAMP), 'utf8')).trim()
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter(entry => entry.isFile())
    .map(entry => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
  if (names.length > MAX_FILES) throw tooLarge(folder, `${names.length} files`, `${MAX_FILES}`)
  const contents = new Map<string, Buffer>()
  let bytes = 0
  for (const name of names) {
    const content = await readFile(join(folder, name))
    bytes += content.length
    if (bytes > MAX_BYTES) throw tooLarge(folder, `more than ${MAX_BYTES} bytes`, `${MAX_BYTES} bytes`)
    contents.set(name, content)
  }
  const files = new Map<string, PanelFile>()
  for (const [name, identity] of contents) {
    const type = TYPES[extname(name)]
    if (type === undefined || name.startsWith('.')) continue
    const br = contents.get(`${name}.br`)
    const gzip = contents.get(`${name}.gz`)
    files.set(name, {
      bodies: { identity, ...(br && { br }), ...(gzip && { gzip }) },
      type,
      hash: createHash('sha256').update(identity).digest('base64url').slice(0, 22),
      isImmutable: name.startsWith('_next/static/'),
      ...(name.endsWith('.html') && { policy: pagePolicy(identity.toString('utf8')) }),
    })
  }
  return { files, build }
}

/** Everything that an export holds; a file of another type is not served. */
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
}

function tooLarge(folder: string, found: string, limit: string): Failure {
  return new Failure('limited', `the panel in ${folder} has ${found}, at most ${limit} are served`, {
    cure: 'build it again with "npm run panel"',
  })
}
