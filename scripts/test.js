// `npm test`: installs what is missing, then runs every test under the packaged Node. Arguments go to Node's runner.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { bootstrap, ROOT } from './bootstrap.js'
import { isNewEnough, packagedNode } from './launch.js'

/** Longer than the longest: a link that is a black hole for 20 s, and 1 GiB both ways. */
const TEST_MS = 300_000
/** One file at a time: many tests judge times and memory of real programs, which others beside them would spoil. */
const FILES_AT_ONCE = 1
const FILES = ['proto/src', 'server/src', 'client/src', 'server/test', 'scripts', 'bench'].map(
  folder => `${folder}/**/*.test.ts`,
)

await bootstrap()
const node = packagedNode() ?? (isNewEnough() ? process.execPath : undefined)
if (node === undefined) {
  process.stderr.write('pbt: the packaged Node is not installed: run "npm ci"\n')
  process.exit(1)
}
const args = ['--test', `--test-timeout=${TEST_MS}`, `--test-concurrency=${FILES_AT_ONCE}`, ...process.argv.slice(2)]
const files = process.argv.slice(2).some(argument => argument.endsWith('.ts')) ? [] : FILES
// The programs start hundreds of times: half of that is compiling the same sources.
const env = { NODE_COMPILE_CACHE: join(ROOT, 'node_modules/.cache/pbt-tests'), ...process.env }
const child = spawn(node, [...args, ...files], { cwd: ROOT, stdio: 'inherit', env })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('exit', code => process.exit(code ?? 1))
