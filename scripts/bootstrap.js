// Installs the packages when they are not what package-lock.json says. Plain JavaScript: it runs before anything is there.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { packagedNode } from '../launch/launch.js'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))
const STAMP = fileURLToPath(new URL('../node_modules/.pbt-installed', import.meta.url))
const OLDEST_NODE = 20
/** A registry that does not answer at all must not hold up a machine for ever. */
const INSTALL_MS = 15 * 60_000
const PROGRESS_MS = 1_000

/** Resolves once the packages are installed; ends the process with one clear sentence when they cannot be. */
export async function bootstrap() {
  if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
    fail(`Node ${process.versions.node} is too old`, `install Node ${OLDEST_NODE} or later`)
  }
  const wanted = createHash('sha256')
    .update(readFileSync(new URL('../package-lock.json', import.meta.url)))
    .digest('hex')
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) return
  await install()
  checkNode()
  writeFileSync(STAMP, wanted)
}

/** Minimal systems are without a library that it is linked against. */
function checkNode() {
  const node = packagedNode()
  if (node === undefined) return
  const { status, stderr, error } = spawnSync(node, ['--version'], { encoding: 'utf8' })
  if (status === 0) return
  const cure = 'install the libraries of Node; on Debian and Ubuntu: sudo apt-get install libatomic1 libstdc++6'
  fail(`the packaged Node does not start: ${error?.message ?? stderr.trim()}`, cure)
}

function install() {
  return new Promise(resolve => {
    const began = Date.now()
    const npm = process.env.npm_execpath
    const [command, args] = npm === undefined ? ['npm', []] : [process.execPath, [npm]]
    const child = spawn(command, [...args, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32' && npm === undefined,
    })
    let said = ''
    const note = chunk => {
      said = (said + chunk).slice(-4_000)
    }
    child.stdout.on('data', note)
    child.stderr.on('data', note)
    const isTerminal = process.stderr.isTTY === true
    const tell = () => {
      const seconds = Math.round((Date.now() - began) / 1000)
      if (isTerminal) process.stderr.write(`\rinstalling packages, about a minute … ${seconds} s `)
      else if (seconds % 15 === 0) process.stderr.write(`installing packages, about a minute … ${seconds} s\n`)
    }
    tell()
    const progress = setInterval(tell, PROGRESS_MS)
    const deadline = setTimeout(() => child.kill(), INSTALL_MS)
    const forward = signal => {
      child.kill(signal)
      process.exit(130)
    }
    process.once('SIGINT', forward)
    process.once('SIGTERM', forward)
    child.on('error', error => fail(`npm does not start: ${error.message}`, 'install npm, it comes with Node'))
    child.on('close', code => {
      clearInterval(progress)
      clearTimeout(deadline)
      process.off('SIGINT', forward)
      process.off('SIGTERM', forward)
      if (isTerminal) process.stderr.write('\n')
      if (code === 0) resolve(undefined)
      else fail(`"npm ci" failed:\n${said.trim()}`, 'check that the npm registry can be reached, then try again')
    })
  })
}

function fail(what, cure) {
  process.stderr.write(`pbt: ${what}\n  to do: ${cure}\n`)
  process.exit(1)
}
