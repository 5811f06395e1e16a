// `npm run pack`: the two tarballs that people install, in dist/, and pbt as one file. Node takes no TypeScript from below node_modules/,
// so they hold JavaScript.
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundleClient } from './bundle.ts'
import { productionPackages } from './dependencies.ts'
import { isNeeded, leanManifest } from './lean.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const DIST = join(ROOT, 'dist')
const STAGE = join(DIST, '.stage')
const COMPILED = join(STAGE, 'js')
/** Of a compiler or of tar, or of the panel, which a small busy machine builds for minutes; only one that hangs takes as long. */
const STEP_MS = 600_000

interface Manifest {
  readonly version: string
  readonly license: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
}

/** A program as a package. */
interface Product {
  readonly workspace: 'server' | 'client'
  /** In a scope: nobody else can publish under it. */
  readonly name: string
  readonly command: string
  readonly description: string
  /** Copied as they are, where they are there. */
  readonly besides: readonly string[]
}

const PRODUCTS: readonly Product[] = [
  {
    workspace: 'server',
    name: '@pbt-tunnel/server',
    command: 'pbt-server',
    description: 'the public end of pbt tunnels, on a VPS of your own',
    besides: ['prisma/migrations', 'prisma/log/migrations', 'admin/out', 'deploy', 'docs'],
  },
  {
    workspace: 'client',
    name: '@pbt-tunnel/client',
    command: 'pbt',
    description: 'puts what runs on this machine on the public internet, through a server of your own',
    besides: ['docs'],
  },
]

export interface PackOptions {
  /** Build it, or take it as it is. */
  readonly panel: 'build' | 'as it is'
  /** npm may publish it; only a release may. */
  readonly isPublic?: boolean
}

/** Makes everything in dist/, and returns the files. */
export async function pack({ panel, isPublic = false }: PackOptions): Promise<readonly string[]> {
  rmSync(DIST, { recursive: true, force: true })
  mkdirSync(STAGE, { recursive: true })
  if (panel === 'build') step('panel', 'npm', ['run', '--silent', 'panel'])
  step('compile', join(ROOT, 'node_modules/.bin/tsc'), ['-p', join(ROOT, 'scripts/pack/tsconfig.json')])
  nameCompiledFiles()
  const tarballs = PRODUCTS.map(product => makeTarball(product, isPublic))
  const bundle = join(DIST, 'pbt.mjs')
  await bundleClient(ROOT, bundle)
  rmSync(STAGE, { recursive: true, force: true })
  return [...tarballs, bundle]
}

/** The compiler renames what is imported, and not what is started: workers and processes. */
function nameCompiledFiles(): void {
  for (const name of readdirSync(COMPILED, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.js')) continue
    const file = join(COMPILED, name)
    const text = readFileSync(file, 'utf8')
    const renamed = text.replaceAll(
      /new URL\((['"`])(\.[^'"`]*)\.ts\1, import\.meta\.url\)/g,
      'new URL($1$2.js$1, import.meta.url)',
    )
    if (renamed !== text) writeFileSync(file, renamed)
  }
}

function makeTarball(product: Product, isPublic: boolean): string {
  const home = join(STAGE, product.workspace, 'package')
  const { version } = manifestOf(product.workspace)
  copyProgram(product, home)
  copyOwn('proto', join(home, 'node_modules/@pbt/proto'))
  const packages = productionPackages(ROOT, product.workspace)
  const versions = new Map(packages.map(({ from, name, to }) => [to === `node_modules/${name}` ? name : to, from]))
  for (const each of packages) copyPackage(each, home, dependency => versionIn(versions.get(dependency)))
  writeManifest(product, home, isPublic)
  const file = join(DIST, `${product.name.slice(1).replace('/', '-').replace('pbt-tunnel', 'pbt')}-${version}.tgz`)
  // Owners and times of this machine are nobody's business, and the same sources are to give the same file.
  const same = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=2026-01-01T00:00:00Z']
  step('tar', 'tar', [...same, '--hard-dereference', '-C', dirname(home), '-czf', file, 'package'])
  return file
}

function copyProgram({ workspace, besides }: Product, home: string): void {
  for (const folder of ['launch', `${workspace}/src`]) cpSync(join(COMPILED, folder), join(home, folder), DEEP)
  for (const file of readdirSync(join(ROOT, 'launch'))) {
    if (/\.(sh|flags)$/.test(file)) cpSync(join(ROOT, 'launch', file), join(home, 'launch', file))
  }
  const bin = join(home, workspace, 'bin')
  cpSync(join(ROOT, workspace, 'bin'), bin, DEEP)
  for (const file of readdirSync(bin)) {
    if (file.endsWith('.js')) replaceIn(join(bin, file), '/src/main.ts', '/src/main.js')
    chmodSync(join(bin, file), 0o755)
  }
  chmodSync(join(home, 'launch/start.sh'), 0o755)
  const { version } = manifestOf(workspace)
  writeJson(join(home, workspace, 'package.json'), { version, type: 'module' })
  for (const each of [...besides, 'LICENSE']) {
    if (existsSync(join(ROOT, each))) cpSync(join(ROOT, each), join(home, each), DEEP)
  }
}

/** The protocol, which is a package of the workspace. */
function copyOwn(workspace: string, to: string): void {
  cpSync(join(COMPILED, workspace), to, DEEP)
  const manifest = readFileSync(join(ROOT, workspace, 'package.json'), 'utf8')
  // What is for tests is not there.
  const parsed = JSON.parse(manifest) as { exports: Record<string, string> }
  Reflect.deleteProperty(parsed.exports, './testing')
  for (const [name, file] of Object.entries(parsed.exports)) parsed.exports[name] = file.replace(/\.ts$/, '.js')
  writeJson(join(to, 'package.json'), parsed)
}

function copyPackage(
  { name, from, to }: { name: string; from: string; to: string },
  home: string,
  versionOf: (dependency: string) => string | undefined,
): void {
  const source = join(ROOT, from)
  cpSync(source, join(home, to), {
    ...DEEP,
    // What lies in its own node_modules/ is a package of its own, if it is needed.
    filter: path => {
      const below = path.slice(source.length + 1)
      return below === '' || (below !== 'node_modules' && !below.startsWith('node_modules/') && isNeeded(name, below))
    },
  })
  const file = join(home, to, 'package.json')
  const text = readFileSync(file, 'utf8')
  const own = (dependency: string) => versionIn(ownVersion(source, dependency)) ?? versionOf(dependency)
  rmSync(file)
  writeFileSync(file, leanManifest(text, own))
}

/** A dependency of a version of its own lies in the package. */
function ownVersion(source: string, dependency: string): string | undefined {
  const at = join(source, 'node_modules', dependency)
  return existsSync(join(at, 'package.json')) ? at.slice(ROOT.length) : undefined
}

function versionIn(folder: string | undefined): string | undefined {
  return folder === undefined ? undefined : manifestOf(folder).version
}

function writeManifest({ workspace, name, command, description }: Product, home: string, isPublic: boolean): void {
  const { version, license, dependencies } = manifestOf(workspace)
  writeJson(join(home, 'package.json'), {
    ...{ name, version, description, license, type: 'module' },
    ...(isPublic ? {} : { private: true }),
    bin: { [command]: `${workspace}/bin/${command}` },
    // What npm itself runs under: the programs bring their own.
    engines: { node: '>=18' },
    os: ['linux', 'darwin'],
    dependencies,
    bundleDependencies: Object.keys(dependencies),
    // The one thing that depends on the machine, and comes from the registry.
    optionalDependencies: manifestOf('.').optionalDependencies,
  })
}

const DEEP = { recursive: true, dereference: true } as const

function manifestOf(folder: string): Manifest & { scripts?: Record<string, string> } {
  return JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as Manifest
}

function writeJson(file: string, value: unknown): void {
  writeFileSync(file, `${JSON.stringify(value, undefined, 2)}\n`)
}

function replaceIn(file: string, what: string, by: string): void {
  const text = readFileSync(file, 'utf8')
  if (!text.includes(what)) throw new Error(`${file} has no "${what}" any more`)
  writeFileSync(file, text.replace(what, by))
}

function step(what: string, command: string, args: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: STEP_MS,
    maxBuffer: 16 * 1024 * 1024,
  })
  if (status !== 0) throw new Error(`${what} failed: ${error?.message ?? `${stdout}${stderr}`}`)
}

if (import.meta.main) for (const file of await pack({ panel: 'build' })) process.stdout.write(`${file}\n`)
