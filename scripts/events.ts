// The events that programs get with --json, for docs/commands.md: one that is missing here does not compile.
import type { VisitEvent } from '../client/src/output/json.ts'
import type { ClientEvent } from '../client/src/tunnels/events.ts'
import type { ServerEvent } from '../server/src/commands/events.ts'

type Said = readonly [fields: string, when: string]

const SERVER: Readonly<Record<ServerEvent['event'] | 'address' | 'token' | 'record' | 'tunnel' | 'check', Said>> = {
  initialised: [
    '`token`, `dataDir`, `ca`, `next`',
    '`init` made the data directory; the token is shown this once; `next`: the command to run',
  ],
  ready: [
    '`baseDomain`, `https`, `http`, `publicHttps`, `publicHttp`, `dns`, `portRange`, `ca`, `publicAddress`',
    'visitors and clients are served',
  ],
  stopping: ['', 'it was stopped by a signal or a stand-in stop and lets what is under way end'],
  stopped: ['', 'it has ended'],
  rotated: [
    '`token`, `endsAt`, `told`',
    '`token rotate` made a new token; it is shown this once. The one before it ends at `endsAt`, without that it has; `told`: the names of clients that are sent the new one',
  ],
  revoked: ['`id`', '`token revoke` ended this token'],
  token: [
    '`id`, `label`, `state`, `clients`, `createdAt`, `lastUsedAt`, `endsAt`',
    '`token list`: `state` is `valid`, `ending` or `ended`; `clients`: the names of those that are connected with it',
  ],
  tunnel: [
    '`tunnel`, `kind`, `state`, `reason`, `since`, `urls`, `waiting`, `target`, `client`, `open`, `bytesIn`, `bytesOut`',
    '`tunnel list`: `state` is `online`, `awaited`, `offline`, `paused` or `killed`; `open`: what is open now; the bytes are since the tunnel was first seen',
  ],
  killed: ['as `tunnel`, `cut`', '`tunnel kill`: it is ended, and so many connections were cut'],
  started: ['as `tunnel`, `isOpening`', '`tunnel start`: it may come back; `isOpening`: a client opens it now'],
  paused: ['as `tunnel`', '`tunnel pause`: visitors are turned away'],
  unpaused: ['as `tunnel`', '`tunnel resume`: visitors are let in again'],
  reserved: ['as `address`', '`address reserve`: the address is kept'],
  released: ['as `address`', '`address release`: the address is nobody’s; this is how it was'],
  check: [
    '`step`, `state`, `message`, `cure`',
    '`explain`: a step of the way; `state` is `ok`, `failed` or `not-checked`',
  ],
  mapped: ['as `address`', '`address map`: the tunnel has the address, or has it no more'],
  noted: ['as `address`', '`address note`: the note is kept'],
  login: ['`url`, `endsAt`', '`login`: a link to the panel that works once'],
  address: [
    '`address`, `tunnel`, `isMapped`, `target`, `isExpected`, `access`, `allow`, `note`, `createdAt`, `lastUsedAt`',
    '`address list`, `address allow`: `access` is `client` (`allow`: those that its client names, none: everybody), `everybody` or `listed` (`allow`: those on its list, none: nobody); `isExpected`: a client has it, or is expected back',
  ],
  record: [
    '`id`, `tunnel`, `kind`, `peer`, `summary`, `status`, `startedAt`, `endedAt`, `durationMs`, `bytesIn`, `bytesOut`, `reason`',
    '`log`: what a visitor did; without `id`: it has just come. `status` 0: there was no answer; `reason` empty: it was complete',
  ],
  skipped: ['`records`', '`log --follow`: so many came too fast to be told'],
  error: ['`code`, `message`, `cure`, `problems`', 'it cannot begin, and why'],
}

const CLIENT: Readonly<Record<ClientEvent['event'] | VisitEvent | 'tunnel' | 'silent' | 'dropped', Said>> = {
  stored: [
    '`server`, `replaced`',
    '`init` has checked and stored the token; `replaced`: the server whose token was stored before, if it was another one',
  ],
  connected: ['`server`', 'a session with the server has begun'],
  online: [
    '`number`, `tunnel`, `kind`, `urls`, `target`, `allowlists`',
    'a tunnel can be visited; again when its addresses or visitors change. Each of `allowlists` (`blocks`, the first of them, and how many `more`) has to let a visitor in; none: everybody may visit',
  ],
  added: ['`number`, `kind`, `target`, `allow`', 'a tunnel was added while others run'],
  removed: ['`number`, `tunnel`', 'a tunnel was taken away while others run; what was under way goes on'],
  waiting: [
    '`number`, `tunnel`, `url`, `target`, `reason`, `cure`',
    'an address is kept for the tunnel and does not serve yet: no certificate covers it',
  ],
  reconnecting: [
    '`reason`, `cure`, `retryInMs`',
    'there is no link; visitors wait while the session can be resumed. `cure`: what to do, empty when waiting is all',
  ],
  resumed: ['', 'the session goes on, nothing is lost'],
  offline: ['`reason`', 'the session is over, or none could be begun; it goes on trying'],
  stopping: [
    '`open`, `limitMs`',
    'it was stopped by a signal or a stand-in stop: no new visitors, and what is under way may end within `limitMs`',
  ],
  closed: ['`number`, `tunnel`, `code`, `reason`', 'the tunnel is over and is not opened again'],
  error: [
    '`code`, `message`, `cure`, `number`, `target`, `retrying`',
    'something cannot be, and why; with `number` and `target` one tunnel, the others serve; `retrying`: it is asked for again',
  ],
  request: [
    '`number`, `tunnel`, `method`, `path`, `status`, `ms`, `bytesIn`, `bytesOut`, `visitor`, `reason`',
    'a request is over: `status` is what the visitor got (0: it went away before), `ms` how long it took, bytes those of the bodies from and to the visitor, `reason` why it did not end well or empty; `method` and `path` have a character for each octet, 300 at most',
  ],
  connection: [
    '`number`, `tunnel`, `state`, `visitor`, `visitorPort`, `ms`, `bytesIn`, `bytesOut`, `reason`',
    'a TCP connection has begun (`state` is `open`) or is over (`closed`), with its bytes from and to the visitor',
  ],
  flow: [
    'as `connection`, and `dropped`',
    'likewise for UDP; `dropped`: datagrams, either way, for which there was no room',
  ],
  tunnel: [
    '`number`, `tunnel`, `kind`, `urls`, `waiting`, `target`, `allowlists`, `state`, `reason`, `cure`, `requests`, `open`, `bytesIn`, `bytesOut`, `pid`, `server`',
    '`status`: a tunnel of this user, `state` that of the link, or `down` when it was refused or is over, with its requests, connections or flows: those that are over, those that are open, and the bytes of both',
  ],
  dropped: ['`lines`', 'nobody read in time, or the disk was full: so many lines of output are left out here'],
  silent: ['`pid`', '`status`: a process that holds tunnels did not answer'],
}

/** The section of the page. */
export function eventsSection(): string {
  return `## Events

Field names are stable; fields may be added. \`number\` says which of the tunnels of the command it is, from 1.

${table('pbt-server', SERVER)}
${table('pbt', CLIENT)}`
}

function table(program: string, events: Readonly<Record<string, Said>>): string {
  const rows = Object.entries(events).map(([name, [fields, when]]) => `| \`${name}\` | ${fields} | ${when} |`)
  return `| \`${program}\` | fields | when |\n|---|---|---|\n${rows.join('\n')}\n`
}
