// `npm test`: installs what is missing, then runs every test under the packaged Node. Arguments go to Node's runner.
import { execFileSync, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { isNewEnough, packagedNode } from '../launch/launch.js'
import { bootstrap, ROOT } from './bootstrap.js'

/** Longer than the longest: a link that is a black hole for 20 s, and 1 GiB both ways. */
const TEST_MS = 300_000
/** System tests first: they take longest, and what is short fills the end. */
const FOLDERS = ['server/test', 'scripts', 'launch', 'client/src', 'server/src', 'proto/src', 'admin/src', 'bench']
/** They judge times and memory of real programs, which others beside them would spoil. */
const ALONE =
  /^(proto\/src\/mux(-bounds)?|server\/test\/\w+\/(bulk|chaos|exhaustion-\w+|hostile-floods|hostile-target|isolation|kills|udp-limits))\.test\.ts$/
/** Most of what the others do is to wait for programs to start, and for time to pass. More would be too many programs. */
const BESIDE = Math.min(8, availableParallelism() + 1)
/** For the processes of test files; the programs have it themselves. */
const LEAN_HTTP = new URL('../launch/lean-http.js', import.meta.url).href

await bootstrap()
const node = packagedNode() ?? (isNewEnough() ? process.execPath : undefined)
if (node === undefined) fail('the packaged Node is not installed: run "npm ci"')

const given = process.argv.slice(2)
const all = FOLDERS.flatMap(folder =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.test.ts'))
    .map(name => `${folder}/${name.replaceAll('\\', '/')}`),
)
if (given.length > 0) {
  await run(['--test', `--test-timeout=${TEST_MS}`, '--test-concurrency=1', ...given, ...(hasFile(given) ? [] : all)])
} else {
  const groups = [
    { files: all.filter(file => !ALONE.test(file)), atOnce: BESIDE },
    { files: all.filter(file => ALONE.test(file)), atOnce: 1 },
  ]
  await run([join(ROOT, 'scripts/run-tests.ts'), JSON.stringify(groups), String(TEST_MS)])
}

function hasFile(args) {
  return args.some(argument => argument.endsWith('.ts'))
}

/** Runs Node as if it were this process. */
function run(args) {
  // The programs start hundreds of times: most of that is finding, reading and compiling the same sources.
  const env = {
    NODE_COMPILE_CACHE: join(ROOT, 'node_modules/.cache/pbt-tests'),
    TEST_PROGRAMS: programs(),
    ...process.env,
  }
  const child = spawn(node, ['--import', LEAN_HTTP, ...args], { cwd: ROOT, stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  return new Promise(resolve => {
    child.on('exit', code => {
      process.exitCode = code ?? 1
      resolve()
    })
  })
}

/** The programs that tests start, built from the sources as they are now. */
function programs() {
  return execFileSync(node, [join(ROOT, 'scripts/pack/programs.ts')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

function fail(what) {
  process.stderr.write(`pbt: ${what}\n`)
  process.exit(1)
}
