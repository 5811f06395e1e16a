// Starts a program of the workspace under a Node that can run it: this one, or the packaged one. Plain JavaScript for
// every Node, since it runs before that choice.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

/** Below it Node has known holes in what faces strangers, and cannot run the sources. */
const OLDEST = [24, 18, 1]

/**
 * What passes through lives in buffers outside the heap, which are freed with the small objects that hold them.
 *
 * - A small young generation: with Node's default of 32 MiB a gigabyte leaves 80 MiB of garbage between collections and
 *   every other one is of the whole heap; with 1 MiB requests under way are moved about all the time.
 * - Small collections and the freeing of buffers on the one thread that has the work to do: the helpers that V8 has for
 *   both have to share a core with other processes or the other end on a small machine, and wait for the allocator's lock.
 * - Buffers counted in the heap's own limit: with V8's separate limit for them every few hundred buffers under way cost a
 *   collection of the whole heap, half of all that bulk cost (bench/README.md).
 */
const FLAGS = [
  '--max-semi-space-size=4',
  '--external-memory-accounted-in-global-limit',
  '--no-concurrent-array-buffer-sweeping',
  '--no-parallel-scavenge',
]

/**
 * The limit of the whole heap begins where about 40 MiB are left beside what lives: 28 MiB at the client, 44 at the server.
 * The server's watch on its memory asks for collections.
 */
export const CLIENT_FLAGS = [...FLAGS, '--initial-heap-size=64']
export const SERVER_FLAGS = [...FLAGS, '--initial-heap-size=96', '--expose-gc']

/** The packaged Node; undefined when it is not installed. */
export function packagedNode() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node'
  for (const path of [`../node_modules/.bin/${name}`]) {
    const file = fileURLToPath(new URL(path, import.meta.url))
    if (existsSync(file)) return file
  }
  return undefined
}

/** Whether this Node can run the sources. */
export function isNewEnough() {
  const version = process.versions.node.split('.').map(Number)
  for (const [index, least] of OLDEST.entries()) {
    if (version[index] !== least) return version[index] > least
  }
  return true
}

/** Runs the file of sources as if it were this process: arguments, streams, signals and exit code. `flags`: for Node. */
export async function launch(entry, flags = FLAGS) {
  if (isNewEnough() && process.execArgv.includes(FLAGS[0])) {
    await import(entry.href)
    return
  }
  const packaged = packagedNode()
  const node = packaged ?? (isNewEnough() ? process.execPath : undefined)
  if (node === undefined) {
    process.stderr.write(
      `pbt: Node ${process.versions.node} is too old and the packaged one is not installed: run "npm ci" in the checkout\n`,
    )
    process.exit(1)
  }
  // Another Node need not know them all, and would refuse to start.
  const known = packaged === undefined ? FLAGS.slice(0, 1) : flags
  const child = spawn(node, [...known, fileURLToPath(entry), ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', error => {
    process.stderr.write(`pbt: the packaged Node does not start: ${error.message}\n`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
}
