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
import { FEW_UNDER_WAY } from '../server/src/access/address-use.ts'
import { MAX_CONNECTIONS } from '../server/src/access/visitor-limits.ts'
import { SESSION_WINDOW_BYTES } from '../server/src/edge/http2/http2.ts'
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
      'server/src/edge/ports/tcp.ts',
      'server/src/edge/reset.ts',
      'proto/src/link/keep-alive.ts',
    ],
  ],
  ['Memory', ['server/src/edge/memory-watch.ts']],
  [
    'HTTP/1',
    [
      'server/src/edge/http1/http1-connection.ts',
      'server/src/edge/http1/request-parser.ts',
      'server/src/edge/exchange.ts',
      'server/src/edge/http1/upgrade.ts',
    ],
  ],
  ['HTTP/2', ['server/src/edge/http2/http2.ts', 'server/src/edge/http2/http2-watch.ts']],
  [
    'UDP',
    [
      'server/src/edge/ports/port-flows.ts',
      'server/src/edge/ports/reply-budget.ts',
      'server/src/edge/ports/proven-addresses.ts',
      'server/src/edge/ports/seen-ids.ts',
      'server/src/edge/ports/wireguard-handshake.ts',
      'server/src/edge/ports/quic-handshake.ts',
      'server/src/relay/tunnel.ts',
      'server/src/edge/ports/udp.ts',
      'server/src/edge/ports/udp-flow.ts',
      'client/src/forward/udp.ts',
    ],
  ],
  ['Sessions and channels', ['proto/src/limits.ts', 'proto/src/channel/read-buffers.ts']],
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
    'Events',
    [
      'server/src/owner/events.ts',
      'server/src/owner/write-behind.ts',
      'server/src/owner/refusal-events.ts',
      'server/src/owner/client-records.ts',
      'server/src/api/stuck.ts',
      'server/src/notify/webhook.ts',
      'server/src/notify/post.ts',
    ],
  ],
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

/** How a UDP tunnel is kept from flooding others, whom that costs something, and the way out. */
const REPLIES = `## How much a UDP visitor is sent

Anybody can write another's address on a datagram, on the second as well as on the first. A service that answers much to little
then floods the other: reflection. So a UDP tunnel sends an address (IPv6: a /64) at most 60 times the bytes that came from it, over
all its flows and for as long as it has one, and 64 KiB beyond that, which are for all UDP tunnels of the server together and given
anew no sooner than after ten minutes. Bytes are those of UDP payload. What is more is dropped, counted (\`pbt.udp.dropped\`) and told
in the log with the tunnel's name, once in a minute. \`pbt udp --reply-factor N\` makes N of the 60, \`--reply-factor off\` lifts the bound
for that tunnel.

**WireGuard and QUIC (HTTP/3) have no bound once hands are shaken.** Their handshakes show to who carries them that a visitor gets
what is sent to it: the target gives it an id that nobody else can know, and the visitor says it in all that it sends (RFC 9000,
section 8.1, calls that address validation). Such a flow neither earns nor costs its address anything. WireGuard's proof is as old
as its session at most, three minutes, QUIC's as long as the flow; for three and ten minutes the address is known by its id also in
flows from other ports, so a router or a \`pbt\` that begins anew costs nothing. A visitor of QUIC that replaces its id before it
was ever seen (quic-go does) is believed because its target has been seen to speak QUIC, for as long as it sends nothing else.

| traffic | times what the visitor sends | by default |
|---|---|---|
| WireGuard; QUIC versions 1 and 2 | 30 to 800 in downloads | no bound after the handshake |
| a game of 20 to 128 ticks, a call, DNS, the start of any connection | 5 to 55 | passes |
| a download in another protocol, or in one that hides WireGuard or QUIC, an acknowledgement of 96 bytes for every other packet | 30, twice that at its start | passes |
| the same with fewer or smaller acknowledgements | 75 to 800 | held up, down to 1 Mbit/s over a line of 20 ms |

Also bounded, and in want of \`--reply-factor off\` when there is much to download:

- a WireGuard visitor that comes from another address in the middle of its session, until the next handshake, two minutes at most;
- a connection of QUIC that has moved to another address, or whose router or \`pbt\` began anew when it had changed its id before;
- QUIC servers that keep the id which the visitor made up (Envoy does with those of its own length), or whose ids have less than
  four bytes, and other versions of QUIC;
- WireGuard and QUIC that share a port with something else, in flows in which that came first (Tailscale's own messages).

**\`--reply-factor off\`** is safe with services that see to it themselves, as WireGuard and QUIC do: WireGuard answers only who has a key,
QUIC sends three times what came until the address has proven itself. It is dangerous with all that answers strangers
at once, and with more than they sent: DNS, NTP, SNMP, SSDP, memcached, the status queries of games, anything of your own that streams
on demand. Who finds such a tunnel makes it pour the whole of your line on whom they like, and the complaints come to you. For those leave
it at 60 or set it lower, or let in only whom you know (\`--allow\`: then only their addresses can be forged).
A game that loads its world over UDP may want a few hundred. A service that was made to look like WireGuard or QUIC, with ids that can be
foretold, is taken for them.
`

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

A request's body has no limit of size or time. Where room is short, though, those go that bring less than \`least-upload-rate\` while the
target would take more and has not begun to answer: of an address that has more than ${FEW_UNDER_WAY} connections and requests under way (429
\`limited\`), and of all (503 \`overloaded\`) while three quarters of the connections are in use, memory is short, the client's session has
few channels left, or \`pbt\` had no descriptor for a visitor of late. An upload that the target holds up is never ended for it, nor is one whose
sender waits for 100 Continue, nor a conversation in both directions. Ten seconds are grace, and what came faster before counts for up
to sixty. A target that serves few requests at once can be kept busy by slow bodies all the same: give it limits of its own.

${parts.join('\n')}
${fieldsSection()}${REPLIES}
## What they add up to

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
