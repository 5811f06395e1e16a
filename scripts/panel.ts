// `npm run panel`: builds the panel when its sources are other ones than those of the last build. Safe at any time: one build at
// once, and whoever reads admin/out sees the old one or the new one.
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { extname, join, relative, sep } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, gzip } from 'node:zlib'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const ADMIN = join(ROOT, 'admin')
/** Where the panel is, once it was built. */
export const OUT = join(ADMIN, 'out')
/** Its process's id: there as long as a build is under way. */
const LOCK = join(ADMIN, '.building')
const NEW = '.out-new'
const OLD = join(ADMIN, '.out-old')
const STAMP = '.sources'
/** What the panel is made of, besides its libraries. */
const SOURCES = ['admin', 'proto/gen', 'proto/src/admin-v1.ts', 'package-lock.json', 'scripts/panel.ts']
const NOT_SOURCES = /^admin\/(?:node_modules|out|\.\w[^/]*|next-env\.d\.ts)(?:\/|$)/
/** Ten seconds on a quiet machine. */
const BUILD_MS = 300_000
/** How often another build's end is looked for, milliseconds. */
const LOOK_MS = 200
/** What is told of a build that fails, characters of its end. */
const TOLD = 4_000
const COMPRESSED = new Set(['.html', '.txt', '.js', '.css', '.svg', '.json'])
/** Below that a compressed twin saves nothing. */
const WORTH_BYTES = 500

const building = new Set<ChildProcess>()

/** Makes `admin/out` up to date. Tells whether there was anything to do; rejects with what to do when it cannot be built. */
export async function buildPanel(): Promise<'built' | 'current'> {
  const deadline = Date.now() + BUILD_MS
  for (;;) {
    const wanted = sourcesHash()
    if (builtHash() === wanted) return 'current'
    if (takeLock()) {
      try {
        if (builtHash() === wanted) return 'current'
        await build(wanted)
        return 'built'
      } finally {
        rmSync(LOCK, { force: true })
      }
    }
    if (Date.now() > deadline)
      throw new Error(`another build of the panel does not end; to do: remove ${relative(ROOT, LOCK)}`)
    await pause(LOOK_MS)
  }
}

/** Whether `admin/out` is what the sources would make. */
export function isPanelCurrent(): boolean {
  return builtHash() === sourcesHash()
}

/** Ends a build that is under way here, for whoever is asked to end. */
export function endBuilds(): void {
  for (const child of building) killGroup(child)
  if (building.size > 0) rmSync(LOCK, { force: true })
}

function builtHash(): string {
  try {
    return readFileSync(join(OUT, STAMP), 'utf8').trim()
  } catch {
    return ''
  }
}

function sourcesHash(): string {
  const hash = createHash('sha256')
  for (const file of SOURCES.flatMap(filesOf).sort())
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(ROOT, file)))
      .update('\0')
  return hash.digest('hex').slice(0, 16)
}

function filesOf(source: string): string[] {
  if (NOT_SOURCES.test(source)) return []
  if (statSync(join(ROOT, source)).isFile()) return [source]
  return readdirSync(join(ROOT, source)).flatMap(name => filesOf(`${source}/${name}`))
}

/** False as long as another process builds; the lock of one that was killed counts for nothing. */
function takeLock(): boolean {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: 'wx' })
    return true
  } catch {
    if (isDead(LOCK)) rmSync(LOCK, { force: true })
    return false
  }
}

function isDead(lock: string): boolean {
  try {
    const { mtimeMs } = statSync(lock)
    if (Date.now() - mtimeMs > BUILD_MS) return true
    const pid = Number(readFileSync(lock, 'utf8'))
    // It is written right after it is made.
    if (pid === 0) return false
    process.kill(pid, 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}

async function build(wanted: string): Promise<void> {
  const next = join(ROOT, 'node_modules/next/dist/bin/next')
  if (!existsSync(next)) throw new Error('the packages of the panel are not installed; to do: run "npm ci"')
  const fresh = join(ADMIN, NEW)
  await rm(fresh, { recursive: true, force: true })
  await rm(OLD, { recursive: true, force: true })
  await runNext(next, wanted)
  await compress(fresh)
  await writeFile(join(fresh, STAMP), `${wanted}\n`)
  if (existsSync(OUT)) await rename(OUT, OLD)
  await rename(fresh, OUT)
  await rm(OLD, { recursive: true, force: true })
}

function runNext(next: string, wanted: string): Promise<void> {
  const child = spawn(process.execPath, [next, 'build', ADMIN], {
    cwd: ADMIN,
    env: {
      ...process.env,
      NODE_ENV: 'production',
      NEXT_TELEMETRY_DISABLED: '1',
      PBT_PANEL_OUT: NEW,
      NEXT_PUBLIC_PBT_BUILD: wanted,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // It has workers, which end with its group.
    detached: true,
  })
  building.add(child)
  let said = ''
  const note = (chunk: Buffer) => {
    said = (said + chunk).slice(-TOLD)
  }
  child.stdout.on('data', note)
  child.stderr.on('data', note)
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      said += `\nit took more than ${BUILD_MS / 1_000} s`
      killGroup(child)
    }, BUILD_MS)
    child.once('error', reject)
    child.once('close', code => {
      clearTimeout(timer)
      building.delete(child)
      if (code === 0) resolve()
      else reject(new Error(`the panel cannot be built:\n${said.trim()}`))
    })
  })
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

async function compress(folder: string): Promise<void> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => COMPRESSED.has(extname(name)))
  await Promise.all(
    files.map(async name => {
      const file = join(folder, name.split(sep).join('/'))
      const plain = await readFile(file)
      if (plain.length < WORTH_BYTES) return
      const [br, gz] = await Promise.all([promisify(brotliCompress)(plain), promisify(gzip)(plain, { level: 9 })])
      await Promise.all([writeFile(`${file}.br`, br), writeFile(`${file}.gz`, gz)])
    }),
  )
}

async function main(): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      endBuilds()
      process.exit(1)
    })
  }
  const began = performance.now()
  const what = await buildPanel()
  const seconds = ((performance.now() - began) / 1_000).toFixed(1)
  process.stdout.write(what === 'built' ? `the panel is built (${seconds} s)\n` : 'the panel is up to date\n')
}

if (import.meta.main) {
  await main().catch((error: unknown) => {
    process.stderr.write(`pbt: ${error instanceof Error ? error.message : error}\n`)
    process.exitCode = 1
  })
}
