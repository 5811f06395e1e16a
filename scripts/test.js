// `npm test`: installs what is missing, then runs every test under the packaged Node. Arguments go to Node's runner.
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { bootstrap, ROOT } from './bootstrap.js'
import { isNewEnough, packagedNode } from './launch.js'

/** Longer than the longest: a link that is a black hole for 20 s, and 1 GiB both ways. */
const TEST_MS = 300_000
const FOLDERS = ['proto/src', 'server/src', 'client/src', 'server/test', 'scripts', 'bench']
/** They judge times and memory of real programs, which others beside them would spoil. */
const ALONE =
  /^(proto\/src\/mux|server\/test\/(bulk|chaos|exhaustion-\w+|hostile-floods|hostile-target|isolation|kills|udp-limits))\.test\.ts$/
/** Most of what the others do is to wait for programs to start, and for time to pass. More would be too many programs. */
const BESIDE = Math.min(8, Math.max(2, availableParallelism()))

await bootstrap()
const node = packagedNode() ?? (isNewEnough() ? process.execPath : undefined)
if (node === undefined) fail('the packaged Node is not installed: run "npm ci"')

const given = process.argv.slice(2)
const all = FOLDERS.flatMap(folder =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.test.ts'))
    .map(name => `${folder}/${name.replaceAll('\\', '/')}`),
)
if (given.some(argument => argument.endsWith('.ts'))) process.exitCode = await run([], 1)
else {
  const alone = all.filter(file => ALONE.test(file))
  const beside = all.filter(file => !ALONE.test(file))
  say(`${beside.length} files, ${BESIDE} at a time`)
  const first = await run(beside, BESIDE)
  say(`${alone.length} files that judge times and memory, one at a time`)
  const second = await run(alone, 1)
  if (first !== 0) say('some of the files before these failed, see above')
  process.exitCode = first || second
}

/** Resolves with the exit code of Node's runner. */
function run(files, atOnce) {
  const args = ['--test', `--test-timeout=${TEST_MS}`, `--test-concurrency=${atOnce}`, ...given, ...files]
  // The programs start hundreds of times: half of that is compiling the same sources.
  const env = { NODE_COMPILE_CACHE: join(ROOT, 'node_modules/.cache/pbt-tests'), ...process.env }
  const child = spawn(node, args, { cwd: ROOT, stdio: 'inherit', env })
  let isStopped = false
  const stop = signal => {
    isStopped = true
    child.kill(signal)
  }
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop)
  return new Promise(resolve => {
    child.on('exit', code => {
      if (isStopped) process.exit(code || 1)
      for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, stop)
      resolve(code ?? 1)
    })
  })
}

function say(what) {
  process.stderr.write(`pbt: ${what}\n`)
}

function fail(what) {
  say(what)
  process.exit(1)
}
