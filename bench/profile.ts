// Where the time of both processes goes under one load: `profile.ts down|up|http|https` prints the costliest functions.
// With Linux's perf installed native code is seen as well; without it V8's own profiler sees JavaScript only.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { Job } from './support/load.ts'
import { find, SCRATCH, start, startNode } from './support/machine.ts'
import { startOrigin, startPbt } from './support/systems.ts'

const SECONDS = 8
const WARMUP_SECONDS = 2
const kind = process.argv[2] ?? 'http'
const perf = find('perf')
if (perf === undefined) throw new Error('perf is not installed (Debian package linux-perf)')

const origin = await startOrigin()
const pbt = await startPbt(origin.port, undefined, ['--perf-basic-prof', '--interpreted-frames-native-stack'])
const isBulk = kind === 'down' || kind === 'up'
const isTls = kind === 'https'
const port = (isTls ? pbt.https : pbt.http) ?? 0
const job: Job = {
  kind: isBulk ? kind : 'requests',
  port,
  host: pbt.host,
  isTls,
  connections: isBulk ? 1 : 64,
  warmupSeconds: WARMUP_SECONDS,
  seconds: SECONDS - WARMUP_SECONDS,
}
const load = startNode('load', 'bench/support/load.ts', [JSON.stringify(job)])
for (const [name, pid] of [
  ['edge', pbt.edge()[0]],
  ['client', pbt.client()[0]],
] as const) {
  const file = join(SCRATCH, `${name}.perf`)
  start('load', perf, [
    'record',
    '-q',
    '-e',
    'cpu-clock',
    '-F',
    '997',
    '-g',
    '-p',
    String(pid),
    '-o',
    file,
    '--',
    'sleep',
    String(SECONDS - 3),
  ])
}
const result = await load.line()
await new Promise(resolve => setTimeout(resolve, 1_000))
process.stdout.write(`${kind}: ${result}\n`)
for (const name of ['edge', 'client']) {
  const report = execFileSync(
    perf,
    [
      'report',
      '-i',
      join(SCRATCH, `${name}.perf`),
      '--no-children',
      '-g',
      'none',
      '--percent-limit',
      '0.6',
      '--stdio',
      '-F',
      'overhead,sym',
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 26 },
  )
  process.stdout.write(
    `\n## ${name}\n${report
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('#'))
      .join('\n')}\n`,
  )
}
await pbt.stop()
await origin.running.stop()
process.exit()
