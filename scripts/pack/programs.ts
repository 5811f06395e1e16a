// Both programs for their tests: laid out like a checkout, but each in a few files. Loading hundreds of modules is more than half of
// the processor time of a start, and a run of all tests starts the programs many hundred times.
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Plugin } from 'esbuild'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const BUILT = join(ROOT, 'node_modules/.cache/pbt-programs')
const SOURCES = ['launch', 'proto', 'server/bin', 'server/src', 'client/bin', 'client/src']
/** What decides besides: the lock file says what the libraries are. */
const BESIDES = ['package-lock.json', 'server/package.json', 'client/package.json', 'scripts/pack/programs.ts']
/** The programs, and what they start as threads. */
const ENTRIES = [
  'server/src/main',
  'server/src/store/log-worker',
  'server/src/store/log-read-worker',
  'client/src/main',
] as const
/** What is not bundled: Node, machine code, and WebAssembly beside it. */
const LINKED = ['.bin/node', 'better-sqlite3', '@prisma/client']
/** Longer than a run of tests: what nothing has used for so long goes, milliseconds. */
const UNUSED_MS = 3_600_000
/** Packages in the older form of modules ask for parts of Node while they run. */
const BANNER = `import { createRequire as createRequireForBundle } from 'node:module'
const require = createRequireForBundle(import.meta.url)`

/**
 * The directory that holds `server/bin/` and `client/bin/` of these sources, built when it is not there. Its name is a digest of all
 * that it is made of, and it never changes: other sources have another one.
 */
export async function builtPrograms(): Promise<string> {
  const directory = join(BUILT, digest())
  if (existsSync(directory)) {
    utimesSync(directory, new Date(), new Date())
    return directory
  }
  mkdirSync(BUILT, { recursive: true })
  removeUnused()
  const stage = `${directory}.${process.pid}`
  try {
    await bundle(stage, directory)
    layOut(stage)
    renameSync(stage, directory)
  } catch (error) {
    rmSync(stage, { recursive: true, force: true })
    // Another run may have been quicker.
    if (!existsSync(directory)) throw error
  }
  return directory
}

function digest(): string {
  const hash = createHash('sha256').update(ROOT)
  for (const file of [...SOURCES.flatMap(filesOf), ...BESIDES]) {
    const text = readFileSync(join(ROOT, file))
    hash.update(`${file}\0${text.length}\0`).update(text)
  }
  return hash.digest('hex').slice(0, 32)
}

function filesOf(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && !entry.parentPath.includes('/node_modules') && !entry.name.endsWith('.test.ts'))
    .map(entry => join(entry.parentPath, entry.name).slice(ROOT.length))
    .sort()
}

function removeUnused(): void {
  for (const name of readdirSync(BUILT)) {
    const { mtimeMs } = statSync(join(BUILT, name), { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() }
    if (Date.now() - mtimeMs > UNUSED_MS) rmSync(join(BUILT, name), { recursive: true, force: true })
  }
}

async function bundle(stage: string, final: string): Promise<void> {
  const { build } = await import('esbuild')
  await build({
    entryPoints: Object.fromEntries(ENTRIES.map(entry => [entry, join(ROOT, `${entry}.ts`)])),
    ...{ outdir: stage, chunkNames: 'chunks/[name]-[hash]', bundle: true, splitting: true },
    ...{ platform: 'node', format: 'esm', target: 'node26', logLevel: 'error' },
    external: ['better-sqlite3', '@prisma/client/runtime/query_compiler*'],
    banner: { js: BANNER },
    define: { 'import.meta.main': 'false' },
    plugins: [placesOf(final)],
  })
}

/** What a module finds by its own place is where it was, except what is built: threads. */
function placesOf(final: string): Plugin {
  const built = new Map(ENTRIES.map(entry => [join(ROOT, `${entry}.ts`), join(final, `${entry}.js`)]))
  const url = (file: string) => JSON.stringify(pathToFileURL(file).href)
  return {
    name: 'places',
    setup: ({ onLoad }) => {
      onLoad({ filter: /\.ts$|\/launch\/[^/]+\.js$|\/node_modules\/yargs\/lib\// }, ({ path }) => {
        const text = readFileSync(path, 'utf8')
        if (!/import\.meta\.(url|dirname)/.test(text)) return undefined
        const contents = text
          .replaceAll(/new URL\('(\.[^']*)', import\.meta\.url\)/g, (whole, name: string) => {
            const file = built.get(join(dirname(path), name))
            return file === undefined ? whole : `new URL(${url(file)})`
          })
          .replaceAll('import.meta.url', url(path))
          .replaceAll('import.meta.dirname', JSON.stringify(dirname(path)))
        return { contents, loader: path.endsWith('.ts') ? 'ts' : 'js' }
      })
    },
  }
}

/** All that is not bundled: how they start, and where what they find by name is. */
function layOut(stage: string): void {
  const isBundled = (file: string) => file.endsWith('.ts')
  for (const folder of ['launch', 'server/bin', 'client/bin']) {
    cpSync(join(ROOT, folder), join(stage, folder), { recursive: true, filter: file => !isBundled(file) })
  }
  for (const file of ['server/bin/pbt-server.js', 'client/bin/pbt.js']) {
    const text = readFileSync(join(stage, file), 'utf8')
    if (!text.includes('/src/main.ts')) throw new Error(`${file} starts another file than src/main.ts`)
    writeFileSync(join(stage, file), text.replace('/src/main.ts', '/src/main.js'))
  }
  writeFileSync(join(stage, 'package.json'), '{"type":"module"}\n')
  // Not all of node_modules: this is in it, and whoever follows links would never come to an end.
  for (const name of LINKED) {
    mkdirSync(dirname(join(stage, 'node_modules', name)), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', name), join(stage, 'node_modules', name))
  }
}

if (import.meta.main) process.stdout.write(await builtPrograms())
