// What a start costs: processor time and time of each program until it has done its work, or is ready for it, beside a bare Node.
// `npm start` is measured the first time too, which makes a server's data and compiles; the panel is built before.
import { join } from 'node:path'
import { buildPanel } from '../scripts/panel.ts'
import { cpuSeconds, endedSeconds, family, ROOT, SCRATCH, start } from './support/machine.ts'
import { median } from './support/measure.ts'
import { Report } from './support/report.ts'
import { readOptions } from './support/run.ts'

interface Cost {
  readonly cpu: number
  readonly seconds: number
}

const [SERVER, CLIENT] = [join(ROOT, 'node_modules/.bin/pbt-server'), join(ROOT, 'node_modules/.bin/pbt')]
const options = readOptions(0, 10)
const report = new Report('start', 'what the start of a program costs')
const costs = new Map<string, Cost[]>()
const dataDir = join(SCRATCH, 'data')
const where = ['--data-dir', dataDir]
const serve = ['start', '--json', ...where, '--https-port', '0', '--http-port', '0', '--log-level', 'error']
const { token } = JSON.parse(await start('edge', SERVER, ['init', '--json', ...where]).line())
const demo = {
  ...{ PBT_DEMO_HOME: join(SCRATCH, 'demo'), PBT_DEMO_HTTPS_PORT: '0', PBT_DEMO_HTTP_PORT: '0' },
  // Its own, so that the first time is one.
  NODE_COMPILE_CACHE: join(SCRATCH, 'compiled'),
}
await buildPanel()

await demonstration('the first time')
// The first round does not count: it compiles, where what is compiled is kept (NODE_COMPILE_CACHE).
for (let round = 0; round <= options.rounds; round++) {
  if (round === 1) for (const what of costs.keys()) if (!what.includes('the first time')) costs.delete(what)
  await untilEnd('node --eval 0', process.execPath, ['--eval', '0'])
  await untilEnd('pbt --version', CLIENT, ['--version'])
  await untilEnd('pbt --help', CLIENT, ['--help'])
  await untilEnd('pbt-server --version', SERVER, ['--version'])
  const server = await until('pbt-server start, until ready', SERVER, serve, '"ready"')
  const { https, ca } = JSON.parse(server.line)
  const env = {
    PBT_SERVER: `localhost:${https}`,
    PBT_TOKEN: token,
    PBT_CA: ca,
    PBT_HOME: join(SCRATCH, 'client'),
  }
  const client = await until('pbt http 9, until online', CLIENT, ['http', '9', '--json'], '"online"', env)
  await untilEnd('pbt-server address list', SERVER, ['address', 'list', ...where])
  await client.stop()
  await server.stop()
  await demonstration('again')
}

const bare = median((costs.get('node --eval 0') ?? []).map(({ cpu }) => cpu))
report.table(
  `medians of ${options.rounds}, ${process.env.NODE_COMPILE_CACHE === undefined ? 'nothing kept compiled' : 'from what is kept compiled'}`,
  ['what', 'CPU ms', 'of a bare Node', 'time ms'],
  [...costs].map(([what, all]) => {
    const cpu = median(all.map(({ cpu }) => cpu))
    return [what, ms(cpu), (cpu / bare).toFixed(1), ms(median(all.map(({ seconds }) => seconds)))]
  }),
)
report.save()
process.exit()

/** A program that ends by itself. */
async function untilEnd(what: string, command: string, args: readonly string[]): Promise<void> {
  const [before, began] = [endedSeconds(), performance.now()]
  const program = start('edge', command, args)
  await program.ended
  note(what, { cpu: endedSeconds() - before, seconds: (performance.now() - began) / 1_000 })
}

/** A program that says when it is ready. */
async function until(what: string, command: string, args: readonly string[], said: string, env = {}) {
  const began = performance.now()
  const program = start('edge', command, args, env)
  const line = await program.line(text => text.includes(said))
  note(what, { cpu: cpuSeconds([program.pid]), seconds: (performance.now() - began) / 1_000 })
  return { line, stop: program.stop }
}

/** `npm start`, which says first that the tunnel answers, then how the panel is reached. */
async function demonstration(when: string): Promise<void> {
  const began = performance.now()
  const program = start('edge', 'npm', ['start', '--prefix', ROOT], demo)
  for (const [what, said] of [
    [`npm start ${when}, until the tunnel answers`, 'is reached through the tunnel'],
    [`npm start ${when}, until there is a link to the panel`, '/login#'],
  ] as const) {
    await program.line(text => text.includes(said))
    note(what, { cpu: cpuSeconds(family(program.pid)), seconds: (performance.now() - began) / 1_000 })
  }
  await program.stop()
}

function note(what: string, cost: Cost): void {
  costs.set(what, [...(costs.get(what) ?? []), cost])
}

function ms(seconds: number): string {
  return (seconds * 1_000).toFixed(0)
}
