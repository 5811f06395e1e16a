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
  [
    'DNS responder',
    [
      'server/src/certs/acme/dns/rate.ts',
      'server/src/certs/acme/dns/udp-door.ts',
      'server/src/certs/acme/dns/tcp-door.ts',
    ],
  ],
  [
    'DNS look-ups before an order',
    [
      'server/src/certs/acme/preflight/exchange.ts',
      'server/src/certs/acme/preflight/world.ts',
      'server/src/certs/acme/preflight/preflight.ts',
    ],
  ],
  [
    'Automatic certificates',
    [
      'server/src/certs/acme/orders.ts',
      'server/src/certs/acme/order.ts',
      'server/src/certs/acme/names.ts',
      'server/src/certs/acme/renewal.ts',
      'server/src/certs/acme/spent.ts',
      'server/src/certs/acme/source.ts',
    ],
  ],
  ['Wrong tokens', ['server/src/access/limiter.ts']],
  ['The API and the panel', ['server/src/api/api.ts', 'server/src/api/panel/files.ts']],
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

/** How a UDP tunnel is kept from flooding others, what that costs, and how to lift it. */
const REPLIES = `## How much a UDP visitor is sent

Anybody can send datagrams with a forged source address. A service that answers a small request with a large reply then floods the
owner of that address: a reflection attack. So a UDP tunnel sends an address (IPv6: a /64) at most 60 times the bytes that came from it,
over all its flows and for as long as it has one, plus 64 KiB, which all UDP tunnels of the server share and which are renewed
after ten minutes at the earliest. Only UDP payload counts. Replies beyond that are dropped, counted (\`pbt.udp.dropped\`) and logged
with the tunnel's name, once a minute. \`pbt udp --reply-factor N\` replaces the 60, \`--reply-factor off\` removes the limit
for that tunnel.

**WireGuard and QUIC (HTTP/3) have no limit after the handshake.** It shows to the server that the visitor receives what is sent to it:
the target gives the visitor an id that no other host can know, and the visitor repeats it in every packet (address validation, RFC 9000,
section 8.1). The traffic of such a flow does not count. With WireGuard this holds for its session, at most three minutes, with QUIC
for the flow; for three and ten minutes the id is also recognised in flows from other ports of that address, so a restarted router or \`pbt\`
costs nothing. A QUIC visitor that replaces its id before it was ever seen (as quic-go does) is believed as long as it sends nothing but
QUIC, because its target has been seen to speak QUIC.

| traffic | times what the visitor sends | by default |
|---|---|---|
| WireGuard; QUIC versions 1 and 2 | 30 to 800 in downloads | no limit after the handshake |
| a game of 20 to 128 ticks, a call, DNS, the start of any connection | 5 to 55 | passes |
| a download in another protocol, or in one that hides WireGuard or QUIC, with an acknowledgement of 96 bytes for every other packet | 30, twice that at the start | passes |
| the same with fewer or smaller acknowledgements | 75 to 800 | slowed, down to 1 Mbit/s with a round trip of 20 ms |

These are limited too, and need \`--reply-factor off\` for large downloads:

- a WireGuard visitor that comes from another address in the middle of its session, until the next handshake, two minutes at most;
- a QUIC connection that has moved to another address, or that had changed its id before its router or \`pbt\` restarted;
- QUIC servers that keep the id chosen by the visitor (as Envoy does for ids of its own length) or use ids shorter than
  four bytes, and other QUIC versions;
- WireGuard and QUIC that share a port with something else, in flows in which that came first (Tailscale's own messages).

**\`--reply-factor off\`** is safe with services that protect themselves, as WireGuard and QUIC do: WireGuard answers only peers with a key,
QUIC sends three times what came until the address is validated. It is dangerous with services that answer strangers
at once with more than they sent: DNS, NTP, SNMP, SSDP, memcached, status queries of games, anything of your own that streams
on demand. An attacker who finds such a tunnel can point your whole bandwidth at any victim, and the complaints come to you. For those leave
it at 60 or set it lower, or use \`--allow\`: then only the addresses on the list can be forged.
A game that loads its world over UDP may need a few hundred. A service made to look like WireGuard or QUIC, with predictable ids,
is treated as one of them.
`

export function limitsPage(): string {
  const parts = PARTS.map(([title, files]) => {
    const rows = files.flatMap(rowsOf)
    return `## ${title}\n\n| limit | value | unit | why | named in |\n|---|---|---|---|---|\n${rows.join('\n')}\n`
  })
  return `# Limits

Everything that visitors, targets or broken peers can use up has a limit. Above a limit per visitor the response is
\`limited\` (429), above a limit for all \`overloaded\` (503), at once, over HTTP/1, HTTP/2 and after the TLS handshake. TCP
connections are reset, and so are HTTP connections when there is no room even for the response. Clients may connect beyond the
limit of connections. The limits that you may want to change are [settings](settings.md): \`connections-per-address\`,
\`new-connections-per-second\`, \`least-upload-rate\`, \`memory-limit-megabytes\`.

A request body has no limit of size or time. While resources are short, though, bodies slower than \`least-upload-rate\` are ended if the
target would take more and has not begun its response: those of an address that has more than ${FEW_UNDER_WAY} connections and requests under way (429
\`limited\`), and those of all addresses (503 \`overloaded\`) while three quarters of the connections are in use, memory is short, the client's session has
few channels left, or \`pbt\` recently had no descriptor for a visitor. An upload that the target delays is never ended for that, nor one whose
sender waits for 100 Continue, nor a stream in both directions. The first ten seconds are free, and bytes that came faster before count for up
to sixty. A target that serves few requests at once can still be kept busy by slow bodies: give it limits of its own.

${parts.join('\n')}
${fieldsSection()}${REPLIES}
${worstCase()}
In addition Node keeps 16 KiB and one write of 64 KiB for a TCP connection that does not read, and reads as much ahead for a visitor who waits
for a client to come back.
Both ends count in the same way, so \`pbt\` needs no setting: with a thousand stalled connections, because visitors or the target do not
read, it grows by less than 250 MiB, as a test shows; the first few hundred account for most of that.
Beyond these each channel is one read ahead of its reader, and those that are read continue: a window that has grown keeps its size, a
new channel gets ${LEAST_WINDOW_BYTES / KIB} KiB a round trip while the others are stalled.

The large figures are for ten thousand visitors of one session, none of whom reads its large response; a hundred of them cost both ends
less than 64 MiB together with everything else, as a test shows. A server with less memory is protected by
\`memory-limit-megabytes\`, by default what systemd (\`MemoryMax\`), the container or the machine allows. Above four
fifths of it no new visitors are accepted: requests, also on open connections, are answered with \`overloaded\` (503),
new TCP connections are reset, and new UDP flows dropped, until less than seven tenths are in use. Clients stay connected, and
requests in flight continue. Memory is checked ten times a second, and requests in flight can still pass the limit:
thousands of large responses that begin at the same moment and are not read. Descriptors (\`LimitNOFILE\`), of which nine
tenths less 64 are for visitors, are a limit too. \`pbt\` keeps 64 of its own (\`ulimit -n\`): when the rest are in use for connections to
targets, idle ones and UDP flows silent for five seconds are closed, then visitors get \`overloaded\` (TCP
connections are reset, UDP datagrams dropped); the link can always be dialled again.
`
}

function worstCase(): string {
  const most = MAX_CHANNELS.toLocaleString('en')
  const unread = SESSION_UNREAD_BYTES + SESSION_CREDIT_BYTES + MAX_CHANNELS * LEAST_WINDOW_BYTES
  const broken = MAX_CHANNELS * INITIAL_CREDIT_BYTES + SESSION_CREDIT_BYTES
  const unsent = SESSION_QUEUE_BYTES + MAX_CHANNELS * (LEAST_QUEUE_BYTES + NODE_READ_BYTES)
  const others = MAX_UNACKED_BYTES + SESSION_DATAGRAM_BYTES
  return `## The worst case

The most memory that peers can make the server use, if all of them attack at the same time:

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
`
}
