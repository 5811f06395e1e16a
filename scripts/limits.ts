// docs/limits.md: every named limit with its value and its reason, read from where it is declared, and what they add up to.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  INITIAL_CREDIT_BYTES,
  KIB,
  LEAST_QUEUE_BYTES,
  LEAST_WINDOW_BYTES,
  MAX_CHANNELS,
  MAX_UNACKED_BYTES,
  MIB,
  SESSION_CREDIT_BYTES,
  SESSION_DATAGRAM_BYTES,
  SESSION_QUEUE_BYTES,
  SESSION_UNREAD_BYTES,
} from '../proto/src/limits.ts'
import { MAX_CONNECTIONS } from '../server/src/access/visitor-limits.ts'
import { SESSION_WINDOW_BYTES } from '../server/src/edge/http2.ts'
import { fieldsSection } from './fields.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

const PARTS: readonly (readonly [title: string, files: readonly string[]])[] = [
  [
    'Connections of visitors',
    [
      'server/src/access/visitor-limits.ts',
      'server/src/access/address-use.ts',
      'server/src/edge/connections.ts',
      'server/src/edge/edge.ts',
      'server/src/edge/tls.ts',
      'server/src/edge/tcp.ts',
      'server/src/edge/reset.ts',
      'proto/src/keep-alive.ts',
    ],
  ],
  ['Memory', ['server/src/edge/memory-watch.ts']],
  [
    'HTTP/1',
    [
      'server/src/edge/http1-connection.ts',
      'server/src/edge/request-parser.ts',
      'server/src/edge/exchange.ts',
      'server/src/edge/upgrade.ts',
    ],
  ],
  ['HTTP/2', ['server/src/edge/http2.ts', 'server/src/edge/http2-watch.ts']],
  ['UDP', ['server/src/edge/udp.ts', 'client/src/forward/udp.ts']],
  ['Sessions and channels', ['proto/src/limits.ts', 'proto/src/read-buffers.ts']],
  [
    'Clients',
    [
      'server/src/relay/registry.ts',
      'server/src/relay/tunnel.ts',
      'server/src/relay/service.ts',
      'server/src/relay/sessions.ts',
    ],
  ],
  ['Wrong tokens', ['server/src/access/limiter.ts']],
  [
    'Targets',
    [
      'client/src/forward/places.ts',
      'client/src/forward/dial.ts',
      'client/src/forward/pool.ts',
      'client/src/forward/habits.ts',
      'client/src/forward/target-name.ts',
      'client/src/forward/response-parser.ts',
      'client/src/forward/http2/connection.ts',
      'client/src/forward/http2/pool.ts',
      'client/src/forward/http2/upload.ts',
      'client/src/forward/http2/stream-exchange.ts',
      'client/src/forward/http2/handshake.ts',
    ],
  ],
]

/** A limit's declaration: a name in capitals with a number, which may be a product. */
const DECLARATION = /^(?:export )?const ([A-Z][A-Z0-9_]+) = ([\d._]+(?: \* [\w.]+)*|MIB|KIB)$/
const UNITS: readonly (readonly [RegExp, string])[] = [
  [/_MS$/, 'ms'],
  [/_(TICKS|SECONDS)$/, 's'],
  [/BYTES_A_SECOND$/, 'bytes a second'],
  [/BYTES$/, 'bytes'],
]

/** The rows of one file; those that stand together under one comment share its reason. */
function rowsOf(file: string): string[] {
  const rows: string[] = []
  let reason = ''
  let isReason = false
  for (const line of readFileSync(`${ROOT}${file}`, 'utf8').split('\n')) {
    const found = DECLARATION.exec(line)
    if (found !== null) {
      const [, name = '', value = ''] = found
      const unit = UNITS.find(([pattern]) => pattern.test(name))?.[1] ?? ''
      if (reason !== '') rows.push(`| \`${name}\` | ${shown(value)} | ${unit} | ${reason} | [${file}](../${file}) |`)
    } else if (line.startsWith('/**')) {
      isReason = !line.endsWith('*/')
      reason = line.replace(/^\/\*\*\s*|\s*\*\/$/g, '')
    } else if (isReason) {
      if (line.includes('*/')) isReason = false
      else reason = `${reason} ${line.replace(/^ \* ?/, '')}`.trim()
    } else reason = ''
  }
  return rows
}

function shown(value: string): string {
  return value
    .replace(/ \* KIB$/, ' Ki')
    .replace(/ \* MIB$/, ' Mi')
    .replace(/^MIB$/, '1 Mi')
    .replaceAll('_', ',')
    .replaceAll('*', '×')
}

function mib(bytes: number): string {
  return `${Math.round(bytes / MIB).toLocaleString('en')} MiB`
}

/** What one read of a Node socket brings at most. */
const NODE_READ_BYTES = 64 * 1024

/** What one visitor's connection costs while it is idle, with TLS; bench/idle.ts measures it. */
const IDLE_CONNECTION_BYTES = 50 * 1024

export function limitsPage(): string {
  const parts = PARTS.map(([title, files]) => {
    const rows = files.flatMap(rowsOf)
    return `## ${title}\n\n| limit | value | unit | why | named in |\n|---|---|---|---|---|\n${rows.join('\n')}\n`
  })
  const most = MAX_CHANNELS.toLocaleString('en')
  const unread = SESSION_UNREAD_BYTES + SESSION_CREDIT_BYTES + MAX_CHANNELS * LEAST_WINDOW_BYTES
  const broken = MAX_CHANNELS * INITIAL_CREDIT_BYTES + SESSION_CREDIT_BYTES
  const unsent = SESSION_QUEUE_BYTES + MAX_CHANNELS * (LEAST_QUEUE_BYTES + NODE_READ_BYTES)
  const others = MAX_UNACKED_BYTES + SESSION_DATAGRAM_BYTES
  return `# Limits

Whatever strangers, targets or broken peers do, it ends at one of these. What is over a limit of one visitor is answered with
\`limited\` (429), over one of all with \`overloaded\` (503), at once, over HTTP/1, HTTP/2 and after the TLS handshake; TCP
connections are reset, and so are those for whom there is no room even for the answer. Links of clients are let in beyond the
limit of connections. Limits that owners may want to change are [settings](settings.md): \`connections-per-address\`,
\`new-connections-per-second\`, \`least-upload-rate\`, \`memory-limit-megabytes\`.

A request's body has no limit of size or time. It is cut (408) when it brings less than \`least-upload-rate\` while the target
would take more and has not begun to answer: an upload that the target holds up is never cut, nor is one whose sender waits for
100 Continue, nor a conversation in both directions. Ten seconds are grace, and what came faster before counts for up to sixty.

${parts.join('\n')}
${fieldsSection()}## What they add up to

The worst that peers can make the server hold, if all of them do their worst at the same time:

| what | arithmetic | at most |
|---|---|---|
| idle connections | ${MAX_CONNECTIONS.toLocaleString('en')} × ${IDLE_CONNECTION_BYTES / 1024} KiB | ${mib(MAX_CONNECTIONS * IDLE_CONNECTION_BYTES)} |
| unread bodies of one HTTP/2 connection | its window | ${mib(SESSION_WINDOW_BYTES)} |
| what its receivers have not read, one session and end | ${mib(SESSION_UNREAD_BYTES)} + growth ${mib(SESSION_CREDIT_BYTES)} + ${most} channels × ${LEAST_WINDOW_BYTES / KIB} KiB | ${mib(unread)} |
| the same, sent by a peer that keeps to its credit only | ${most} × ${INITIAL_CREDIT_BYTES / KIB} KiB + growth ${mib(SESSION_CREDIT_BYTES)} | ${mib(broken)} |
| what waits to be sent, one session and end | ${mib(SESSION_QUEUE_BYTES)} + ${most} × (${LEAST_QUEUE_BYTES / KIB} KiB + one read, ${NODE_READ_BYTES / KIB} KiB) | ${mib(unsent)} |
| kept for replay, one session and end | | ${mib(MAX_UNACKED_BYTES)} |
| datagrams that wait, one session and end | | ${mib(SESSION_DATAGRAM_BYTES)} |
| one session in all, at either end | | ${mib(unread + unsent + others)} |

Besides, Node keeps 16 KiB and one write of 64 KiB for a TCP connection that does not read, and reads as much ahead of a visitor who waits
for a client to come back.
Both ends count in the same way, so \`pbt\` needs no setting: a thousand connections that stand still, visitors that do not read or a
target that does not, make it grow by less than 250 MiB, as a test shows; most of that is what the first few hundred may have.
Beyond these each channel is one read ahead of its reader, and one that is read goes on: a window that has grown stays as it is, a
new channel has ${LEAST_WINDOW_BYTES / KIB} KiB a round trip for as long as the others stand still.

The large figures are ten thousand visitors of one session who all read nothing of large answers; a hundred of them cost both ends
less than 64 MiB together with everything else, as a test shows. A server with less memory than that bounds it by
\`memory-limit-megabytes\`, which is what systemd (\`MemoryMax\`), the container or the machine allows unless it is set. From four
fifths of it on nobody new is taken: requests, also those on connections that are there, are answered with \`overloaded\` (503),
new TCP connections are reset, and new UDP flows dropped, until less than seven tenths are in use. Clients keep their links, and
whatever is under way goes on. It is looked at ten times a second, and what those who are here may still be owed can pass the limit:
thousands of large answers that begin at the same moment and are not read. Descriptors (\`LimitNOFILE\`), of which nine
tenths less 64 are for visitors, bound it besides. \`pbt\` keeps 64 of its own (\`ulimit -n\`): when the rest are connections to
targets, those that idle and flows of datagrams silent for five seconds give way, then visitors are told \`overloaded\` (TCP
connections are reset, UDP datagrams dropped), and the link can be dialled again whenever it breaks.
`
}
