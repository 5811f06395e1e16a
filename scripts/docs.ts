// Writes the pages of docs/ that list things, from the things themselves: `node scripts/docs.ts`. docs.test.ts compares.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { OWN_CODES } from '../client/src/failure.ts'
import { ERROR_CODES } from '../proto/src/errors.ts'
import { defaultTextOf, keyOf, SETTING_NAMES, SETTINGS, variableOf } from '../server/src/config/config.ts'
import { REPLY_CODES, replyFor } from '../server/src/edge/replies.ts'
import { FAILURE_CODES } from '../server/src/failure.ts'
import { DURATION_METRIC, METRICS } from '../server/src/observe/metrics.ts'
import { EVENT_KINDS } from '../server/src/owner/event.ts'
import { EVENT_DAYS, MAX_EVENTS } from '../server/src/owner/events.ts'
import { eventsSection } from './events.ts'
import { faultsPage } from './faults.ts'
import { limitsPage } from './limits.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Each page and how it reads now. */
export function pages(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/settings.md', settings()],
    ['docs/metrics.md', metrics()],
    ['docs/events.md', events()],
    ['docs/commands.md', commands()],
    ['docs/errors.md', errors()],
    ['docs/faults.md', faultsPage()],
    ['docs/limits.md', limitsPage()],
  ])
}

function settings(): string {
  const rows = SETTING_NAMES.map(name => {
    const { doc, unit } = SETTINGS[name]
    return `| \`${keyOf(name)}\` | \`${variableOf(name)}\` | ${defaultTextOf(name)} | ${unit} | ${doc} |`
  })
  return `# Settings of pbt-server

From one YAML file (\`--config FILE\`), then variables, then flags (\`--base-domain …\`); the later ones win. A key that is not in
this list is an error in the file and on the command line, and all problems are reported at once; a variable that is set to nothing
is not set, and one that is not in this list is told in the log and counts for nothing. In paths \`~/\` is your home directory. [server.example.yaml](../deploy/server.example.yaml) is a
file to begin with.

| key | variable | default | unit | what it does |
|---|---|---|---|---|
${rows.join('\n')}
`
}

function events(): string {
  const rows = Object.entries(EVENT_KINDS).map(([kind, doc]) => `| \`${kind}\` | ${doc} |`)
  return `# Events of pbt-server

What happens gets a number that grows by one, over restarts too, and is kept for ${EVENT_DAYS} days, at most ${MAX_EVENTS.toLocaleString('en')} of them. The API tells
them as they come and from any number on (\`ServerService.Watch\`), and [webhooks](../deploy/README.md#being-told-of-events) those that you choose.

| kind | what happened |
|---|---|
${rows.join('\n')}
`
}

function metrics(): string {
  const all = [...METRICS, { ...DURATION_METRIC, kind: 'histogram' }]
  const rows = all.map(({ name, kind, unit, doc }) => `| \`${name}\` | ${kind} | ${unit} | ${doc} |`)
  return `# Metrics of pbt-server

Off until they are asked for: \`metrics-port\` serves them to Prometheus on \`metrics-address\` as \`/metrics\` (dots become
underscores, counters end in \`_total\`), \`otlp-endpoint\` sends them by OTLP. See [settings](settings.md). Counters begin with
the process; figures by minute, hour and day are kept for 13 months in \`access.db\`.

| name | kind | unit | what it tells |
|---|---|---|---|
${rows.join('\n')}
`
}

const COMMANDS: readonly (readonly [file: string, args: readonly string[]])[] = [
  ['client/src/main.ts', ['--help']],
  ['client/src/main.ts', ['init', '--help']],
  ['client/src/main.ts', ['tunnel', 'http', '--help']],
  ['client/src/main.ts', ['tunnel', 'tcp', '--help']],
  ['client/src/main.ts', ['tunnel', 'udp', '--help']],
  ['client/src/main.ts', ['up', '--help']],
  ['client/src/main.ts', ['status', '--help']],
  ['server/src/main.ts', ['--help']],
  ['server/src/main.ts', ['init', '--help']],
  ['server/src/main.ts', ['start', '--help']],
  ['server/src/main.ts', ['token', '--help']],
  ['server/src/main.ts', ['address', '--help']],
  ['server/src/main.ts', ['address', 'allow', '--help']],
]

function commands(): string {
  const texts = COMMANDS.map(([file, args]) => {
    const { stdout } = spawnSync(process.execPath, [file, ...args], {
      cwd: ROOT,
      encoding: 'utf8',
      env: plainEnvironment(),
    })
    const name = file.startsWith('client') ? 'pbt' : 'pbt-server'
    return `## \`${[name, ...args.slice(0, -1)].join(' ')}\`\n\n\`\`\`\n${stdout.trimEnd()}\n\`\`\`\n`
  })
  return `# Commands

What the programs themselves say with \`--help\`. With \`--json\` every command writes one JSON object a line to stdout, each
with \`event\` and \`time\`, and words for people to stderr.

${texts.join('\n')}
${eventsSection()}`
}

function plainEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: '/home/you', COLUMNS: '100', NO_COLOR: '1', LANG: 'C.UTF-8' }
}

function errors(): string {
  const edge = REPLY_CODES.map(code => {
    const { status, body } = replyFor(code, { accept: 'application/json' })
    const { title, message, cure } = JSON.parse(body.toString())
    return `| \`${code}\` | ${status} | **${title}.** ${message} | ${cure} |`
  })
  return `# Errors

## Answers of the edge

They carry \`pbt-error: <code>\`, which a target can never send. HTML for browsers, JSON or plain text for others. They say whose
fault it is in words for people who know nothing of tunnels; what is for the owner is folded away in browsers. The reason that a client or
its target gave is shown to the owner alone, in the terminal of \`pbt\`, since it names addresses of their network. After an
answer's head has gone out a failure is never a clean end: the connection or stream is cut.

| code | status | what it says | what the owner should do |
|---|---|---|---|
${edge.join('\n')}

## Codes of the link

In \`closed\` and \`error\` events and in the live view: ${list(ERROR_CODES)}.

## Codes of the programs

\`pbt\` adds ${list(OWN_CODES)}. Exit codes: 0 stopped by the user, 1 failed, 2 wrong usage, 3 token refused, 4 name or port not
available.

\`pbt-server\` has ${list(FAILURE_CODES)}. Exit codes: 0 stopped, 1 failed, 2 wrong usage or settings.
`
}

function list(codes: readonly string[]): string {
  return codes.map(code => `\`${code}\``).join(', ')
}

if (import.meta.main) for (const [file, text] of pages()) writeFileSync(`${ROOT}${file}`, text)
