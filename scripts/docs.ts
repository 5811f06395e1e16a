// Writes the pages of docs/ that list things, from the things themselves: `node scripts/docs.ts`. docs.test.ts compares.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
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

Read from one YAML file (\`--config FILE\`), then environment variables, then flags (\`--base-domain …\`); the later ones win. An unknown key
in the file or on the command line is an error, and all problems are reported at once. An empty variable counts as not set, and an unknown
one is logged and ignored. In paths \`~/\` is your home directory. Start from [server.example.yaml](../deploy/server.example.yaml).

| key | variable | default | unit | what it does |
|---|---|---|---|---|
${rows.join('\n')}
`
}

function events(): string {
  const rows = Object.entries(EVENT_KINDS).map(([kind, doc]) => `| \`${kind}\` | ${doc} |`)
  return `# Events of pbt-server

Events are numbered without gaps, also over restarts, and kept for ${EVENT_DAYS} days, at most ${MAX_EVENTS.toLocaleString('en')} of them. The API streams
them as they happen, or from any number on (\`ServerService.Watch\`); [webhooks](../deploy/README.md#webhooks) send those that you choose.

| kind | what happened |
|---|---|
${rows.join('\n')}
`
}

function metrics(): string {
  const all = [...METRICS, { ...DURATION_METRIC, kind: 'histogram' }]
  const rows = all.map(({ name, kind, unit, doc }) => `| \`${name}\` | ${kind} | ${unit} | ${doc} |`)
  return `# Metrics of pbt-server

Off by default: \`metrics-port\` serves them to Prometheus on \`metrics-address\` as \`/metrics\` (dots become
underscores, counters end in \`_total\`), \`otlp-endpoint\` sends them by OTLP. See [settings](settings.md). Counters begin at 0 with
the process; totals per minute, hour and day are kept for 13 months in \`access.db\`.

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
  ['client/src/main.ts', ['tunnel', '--help']],
  ['client/src/main.ts', ['daemon', '--help']],
  ['client/src/main.ts', ['daemon', 'install', '--help']],
  ['client/src/main.ts', ['completion', '--help']],
  ['server/src/main.ts', ['--help']],
  ['server/src/main.ts', ['init', '--help']],
  ['server/src/main.ts', ['start', '--help']],
  ['server/src/main.ts', ['token', '--help']],
  ['server/src/main.ts', ['tunnel', '--help']],
  ['server/src/main.ts', ['address', '--help']],
  ['server/src/main.ts', ['address', 'allow', '--help']],
  ['server/src/main.ts', ['doctor', '--help']],
  ['server/src/main.ts', ['backup', '--help']],
  ['server/src/main.ts', ['restore', '--help']],
  ['server/src/main.ts', ['completion', '--help']],
]

/** In a run of tests the programs are built from these sources. */
function started(file: string): string {
  const { TEST_PROGRAMS: built } = process.env
  return built === undefined ? file : join(built, file.replace(/\.ts$/, '.js'))
}

function commands(): string {
  const texts = COMMANDS.map(([file, args]) => {
    const { stdout } = spawnSync(process.execPath, [started(file), ...args], {
      cwd: ROOT,
      encoding: 'utf8',
      env: plainEnvironment(),
    })
    const name = file.startsWith('client') ? 'pbt' : 'pbt-server'
    return `## \`${[name, ...args.slice(0, -1)].join(' ')}\`\n\n\`\`\`\n${stdout.trimEnd()}\n\`\`\`\n`
  })
  return `# Commands

The output of \`--help\`. With \`--json\` every command but \`completion\` writes one JSON object per line to stdout, each
with \`event\` and \`time\`, and text for people to stderr.

${texts.join('\n')}
${eventsSection()}`
}

function plainEnvironment(): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
    HOME: '/home/you',
    COLUMNS: '100',
    NO_COLOR: '1',
    LANG: 'C.UTF-8',
  }
}

function errors(): string {
  const edge = REPLY_CODES.map(code => {
    const { status, body } = replyFor(code, { accept: 'application/json' })
    const { title, message, cure } = JSON.parse(body.toString())
    return `| \`${code}\` | ${status} | **${title}.** ${message} | ${cure} |`
  })
  return `# Errors

## Error responses of the server

They carry the header field \`pbt-error: <code>\`, which a target can never send: HTML for browsers, JSON or plain text for others. They say
whose fault it is, for people who know nothing of tunnels; the part for the owner is folded away in browsers. The reason given by a client or
its target is shown only in the terminal of \`pbt\`, since it names addresses of the owner's network. Once a response has begun,
a failure cuts the connection or stream: it never looks like a complete response.

| code | status | text | what the owner should do |
|---|---|---|---|
${edge.join('\n')}

## Codes of the link

In \`closed\` and \`error\` events and in the live view: ${list(ERROR_CODES)}.

## Codes of the programs

\`pbt\` adds ${list(OWN_CODES)}. Exit codes: 0 stopped by the user, 1 failed, 2 wrong usage, 3 token refused, 4 name or port not
available, 5 ended by the owner on the server.

\`pbt-server\` has ${list(FAILURE_CODES)}. Exit codes: 0 stopped, 1 failed, 2 wrong usage or settings.
`
}

function list(codes: readonly string[]): string {
  return codes.map(code => `\`${code}\``).join(', ')
}

if (import.meta.main) for (const [file, text] of pages()) writeFileSync(`${ROOT}${file}`, text)
