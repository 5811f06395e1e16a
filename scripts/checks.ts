// `npm run check`: everything that must never break besides the tests, side by side, each with its time.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findFaults } from './arrows.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CHECK_MS = 300_000

interface Result {
  readonly isGood: boolean
  readonly text: string
}
type Check = readonly [name: string, run: () => Promise<Result>]

process.chdir(ROOT)
/** Buf finds its plugin, and every tool the packaged Node, on the path. */
const env = { ...process.env, PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}` }
const scratch = mkdtempSync(join(tmpdir(), 'pbt-check-'))

const checks: readonly Check[] = [
  ['lint and format', () => command('biome', 'check', '.')],
  ['types', () => command('tsc', '-p', '.')],
  ['types of the panel', () => command('tsc', '-p', 'admin')],
  [
    'import arrows and cycles',
    async () =>
      listed(
        findFaults(
          tracked().filter(
            file =>
              /^(proto\/src|server|client|admin|launch|scripts|bench)\/.*\.(ts|tsx|js|mjs)$/.test(file) &&
              !file.includes('/generated/'),
          ),
        ),
      ),
  ],
  ['buf lint', () => command('buf', 'lint')],
  ['buf format', () => command('buf', 'format', '-d', '--exit-code')],
  ['buf breaking', breaking],
  ['generated protocol in step', generatedProtocol],
  ['generated database client in step', generatedClient],
  ['schema and migrations in step', () => command(process.execPath, 'scripts/migrate.mjs', 'check')],
  ['npm ci --dry-run', () => command('npm', 'ci', '--dry-run', '--ignore-scripts', '--no-audit', '--no-fund')],
  ['no machine paths', async () => listed(machinePaths())],
]

const results = await Promise.all(checks.map(timed))
rmSync(scratch, { recursive: true, force: true })
process.exit(results.every(Boolean) ? 0 : 1)

async function timed([name, run]: Check): Promise<boolean> {
  const began = performance.now()
  let result: Result
  try {
    result = await run()
  } catch (error) {
    result = { isGood: false, text: error instanceof Error ? error.message : String(error) }
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  process.stdout.write(`${result.isGood ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)\n`)
  if (!result.isGood) process.stdout.write(`${result.text.trim().replace(/^/gm, '    ')}\n`)
  return result.isGood
}

function command(program: string, ...args: readonly string[]): Promise<Result> {
  return new Promise(resolve => {
    const child = spawn(program, args, { cwd: ROOT, env, timeout: CHECK_MS, stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    const note = (chunk: Buffer) => {
      text += chunk
    }
    child.stdout.on('data', note)
    child.stderr.on('data', note)
    child.once('error', error => resolve({ isGood: false, text: `${program}: ${error.message}` }))
    child.once('close', code => resolve({ isGood: code === 0, text }))
  })
}

function listed(faults: readonly string[]): Result {
  return { isGood: faults.length === 0, text: faults.join('\n') }
}

function git(...args: readonly string[]): string {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
}

function tracked(): string[] {
  return git('ls-files', '--cached', '--others', '--exclude-standard')
    .split('\n')
    .filter(file => file !== '')
}

/** The protocol of the last release, or else of the commit before, is what must go on working. */
async function breaking(): Promise<Result> {
  let base = ''
  for (const candidate of [
    ['describe', '--tags', '--abbrev=0'],
    ['rev-parse', '--verify', 'HEAD~1'],
  ] as const) {
    try {
      base = git(...candidate).trim()
      git('cat-file', '-e', `${base}:proto/pbt/tunnel/v1/tunnel.proto`)
      break
    } catch {
      base = ''
    }
  }
  if (base === '') return { isGood: true, text: 'nothing to compare with' }
  return command('buf', 'breaking', '--against', `.git#ref=${base}`)
}

async function generatedProtocol(): Promise<Result> {
  const result = await command('buf', 'generate', '-o', join(scratch, 'proto'))
  return result.isGood ? sameFolders('proto/gen', join(scratch, 'proto/proto/gen')) : result
}

async function generatedClient(): Promise<Result> {
  const before = new Map(filesBelow('server/src/store/generated').map(file => [file, readFileSync(file, 'utf8')]))
  const result = await command(process.execPath, 'scripts/prisma.mjs', 'generate')
  if (!result.isGood) return result
  const after = filesBelow('server/src/store/generated')
  const changed = after.filter(file => before.get(file) !== readFileSync(file, 'utf8'))
  const gone = [...before.keys()].filter(file => !after.includes(file))
  return listed([...changed, ...gone].map(file => `${file} is not what "npm run generate" makes`))
}

function sameFolders(left: string, right: string): Result {
  const ours = filesBelow(left).map(file => relative(left, file))
  const theirs = filesBelow(right).map(file => relative(right, file))
  const names = [...new Set([...ours, ...theirs])]
  const differs = names.filter(name => {
    if (!ours.includes(name) || !theirs.includes(name)) return true
    return readFileSync(join(left, name), 'utf8') !== readFileSync(join(right, name), 'utf8')
  })
  return listed(differs.map(name => `${join(left, name)} is not what "npm run generate" makes`))
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map(name => join(folder, name))
    .filter(file => statSync(file).isFile())
}

/** Nothing committed may depend on where this checkout or its user's home is. */
function machinePaths(): string[] {
  const places = [ROOT.replace(/\/$/, ''), homedir()].filter(place => place.length > 4)
  return tracked()
    .filter(file => statSync(file, { throwIfNoEntry: false })?.isFile() && statSync(file).size < 5_000_000)
    .filter(file => {
      const text = readFileSync(file, 'utf8')
      return places.some(place => text.includes(`${place}/`))
    })
    .map(file => `${file} names a path of this machine`)
}
