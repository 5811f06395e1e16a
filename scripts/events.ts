// The events that programs get with --json, for docs/commands.md: one that is missing here does not compile.
import type { VisitEvent } from '../client/src/output/json.ts'
import type { ClientEvent } from '../client/src/tunnels/events.ts'
import type { ServerEvent } from '../server/src/commands/events.ts'

type Said = readonly [fields: string, when: string]

const SERVER: Readonly<
  Record<ServerEvent['event'] | 'address' | 'token' | 'record' | 'tunnel' | 'check' | 'domain', Said>
> = {
  initialised: [
    '`token`, `dataDir`, `ca`, `next`',
    '`init` made the data directory; the token is shown only once; `next`: the command to run',
  ],
  ready: [
    '`baseDomain`, `https`, `http`, `publicHttps`, `publicHttp`, `dns`, `portRange`, `ca`, `publicAddress`',
    'visitors and clients can connect',
  ],
  stopping: ['', 'it was told to stop, and lets requests in flight finish'],
  stopped: ['', 'it has stopped'],
  rotated: [
    '`token`, `endsAt`, `told`',
    '`token rotate` made a new token; it is shown only once. The previous one ends at `endsAt`, or has ended if that is missing; `told`: the names of clients that are sent the new one',
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
  killed: ['as `tunnel`, `cut`', '`tunnel kill`: it has ended; `cut`: connections that were cut'],
  started: ['as `tunnel`, `isOpening`', '`tunnel start`: it may come back; `isOpening`: a client is opening it'],
  paused: ['as `tunnel`', '`tunnel pause`: visitors are refused'],
  unpaused: ['as `tunnel`', '`tunnel resume`: visitors are let in again'],
  reserved: ['as `address`', '`address reserve`: the address is reserved'],
  released: ['as `address`', '`address release`: the address as it was before it was released'],
  check: [
    '`step`, `state`, `message`, `cure`, `name`, `record`',
    '`explain`, `doctor`, `domain check`: a step of the way; `state` is `ok`, `failed` or `not-checked`',
  ],
  domain: [
    '`domain`, `names`, `state`, `proof`, `isBase`, `tunnel`, `problem`, `failures`, `isGivenUp`, `nextTry`, `validUntil`, `renewsAt`, `issuer`, `records`',
    '`domain list`: `state` is `pending`, `verified`, `issuing`, `issued`, `renewing` or `error`; `problem`: the last one, until a certificate comes; `records`: what to create in DNS',
  ],
  'domain-added': ['as `domain`', '`domain add`: its certificate comes when its `records` are there'],
  'domain-retried': ['as `domain`', '`domain retry`: it is tried now'],
  'domain-removed': ['as `domain`', '`domain remove`: the domain as it was before it was removed'],
  mapped: ['as `address`', '`address map`: the address was assigned to the tunnel, or unassigned'],
  noted: ['as `address`', '`address note`: the note is kept'],
  login: ['`url`, `endsAt`', '`login`: a link to the panel that works once'],
  address: [
    '`address`, `tunnel`, `isMapped`, `target`, `isExpected`, `access`, `allow`, `note`, `createdAt`, `lastUsedAt`',
    '`address list`, `address allow`: `access` is `client` (`allow`: those that its client allows, none: everybody), `everybody` or `listed` (`allow`: those on its list, none: nobody); `isExpected`: a client has it, or is expected back',
  ],
  record: [
    '`id`, `tunnel`, `kind`, `peer`, `summary`, `status`, `startedAt`, `endedAt`, `durationMs`, `bytesIn`, `bytesOut`, `reason`',
    '`log`: one visit; without `id`: it has just ended. `status` 0: there was no response; `reason` empty: it was complete',
  ],
  'backed-up': [
    '`file`, `files`, `bytes`, `skipped`',
    '`backup`: the file is made; `skipped`: files of the data directory that are not in it',
  ],
  restored: [
    '`dataDir`, `version`, `madeAt`, `baseDomain`, `files`, `replaced`, `settings`, `settingsFrom`, `next`',
    '`restore`: the data directory is made; `version` made the backup; `replaced`: where what was there before is; `settings`: where the settings are, and `settingsFrom` where each of them was; `isSame`: this machine has the same',
  ],
  skipped: ['`records`', '`log --follow`: so many records came too fast to be shown'],
  error: ['`code`, `message`, `cure`, `problems`', 'it failed, and why'],
}

/** Of commands that steer the daemon, and of the control socket. */
type Answer = 'daemon' | 'kept' | 'draining' | 'stopped' | 'process' | 'installed' | 'uninstalled'

const CLIENT: Readonly<
  Record<ClientEvent['event'] | VisitEvent | Answer | 'tunnel' | 'silent' | 'dropped' | 'check', Said>
> = {
  stored: [
    '`server`, `replaced`',
    '`init` has checked and stored the token; `replaced`: the server whose token was stored before, if it was another one',
  ],
  allowed: [
    '`tunnel`, `blocks`, `addresses`, `everybody`, `until`',
    '`allow` let `blocks` in at `addresses`, until then or for good; `everybody`: addresses without a list, which let everybody in',
  ],
  outdated: ['`message`, `cure`', 'one of both ends is older than the other; `cure`: the command to run'],
  connected: ['`server`', 'a session with the server has begun'],
  online: [
    '`number`, `tunnel`, `kind`, `urls`, `target`, `allowlists`',
    'a tunnel can be visited; again when its addresses or visitors change. Each of `allowlists` (`blocks`, the first of them, and how many `more`) has to let a visitor in; none: everybody may visit',
  ],
  added: ['`number`, `kind`, `target`, `allow`', 'a tunnel was added while others run'],
  removed: ['`number`, `tunnel`', 'a tunnel was removed while others run; its open connections continue'],
  target: [
    '`number`, `tunnel`, `target`, `state`, `reason`',
    'the target of a tunnel takes no connections (`state` is `refuses`, `reason` says why), or takes them again (`answers`)',
  ],
  waiting: [
    '`number`, `tunnel`, `url`, `target`, `reason`, `cure`',
    'an address is reserved for the tunnel but not served yet: no certificate covers it',
  ],
  reconnecting: [
    '`reason`, `cure`, `retryInMs`',
    'there is no connection to the server; visitors wait while the session can be resumed. `cure`: what to do, empty when nothing but waiting helps',
  ],
  resumed: ['', 'the session was resumed, nothing is lost'],
  offline: ['`reason`', 'the session is over, or none could be started; it keeps trying'],
  stopping: [
    '`open`, `limitMs`',
    'it was told to stop: no new visitors, and requests in flight may finish within `limitMs`',
  ],
  closed: ['`number`, `tunnel`, `code`, `reason`', 'the tunnel is over and is not opened again'],
  error: [
    '`code`, `message`, `cure`, `number`, `target`, `retrying`',
    'something failed, and why; with `number` and `target` for one tunnel only; `retrying`: it will be tried again',
  ],
  request: [
    '`number`, `tunnel`, `method`, `path`, `status`, `ms`, `bytesIn`, `bytesOut`, `visitor`, `reason`',
    'a request is over: `status` is what the visitor got (0: it disconnected before), `ms` how long it took, bytes those of the bodies from and to the visitor, `reason` why it did not end well or empty; `method` and `path` have a character for each octet, 300 at most',
  ],
  connection: [
    '`number`, `tunnel`, `state`, `visitor`, `visitorPort`, `ms`, `bytesIn`, `bytesOut`, `reason`',
    'a TCP connection has begun (`state` is `open`) or is over (`closed`), with its bytes from and to the visitor',
  ],
  flow: [
    'as `connection`, and `dropped`',
    'the same for UDP; `dropped`: datagrams in either direction that were dropped',
  ],
  tunnel: [
    '`number`, `tunnel`, `kind`, `urls`, `waiting`, `target`, `allowlists`, `state`, `reason`, `cure`, `targetFault`, `requests`, `open`, `bytesIn`, `bytesOut`, `pid`, `server`',
    '`status`: a tunnel of this user, `state` that of the link, `down` when it was refused or is over, `killed` when the owner ended it on the server, or `stopped`; `targetFault`: why its target takes no connections; with its requests, connections or flows: finished ones, open ones, and the bytes of both',
  ],
  daemon: [
    '`state`, `pid`, `link`, `reason`, `tunnels`, `faults`, `file`, `log`',
    '`daemon start`, `stop`, `restart`, `status`: `state` is `running` or `stopped`; `link` as `state` of a tunnel, `tunnels` how many, `faults` what is wrong with the `file`',
  ],
  kept: ['`tunnel`, `target`, `number`', '`--detach`, `tunnel start`: the daemon keeps it up from now on'],
  draining: [
    '`tunnel`, `open`, `limitMs`',
    '`tunnel stop`, `tunnel remove`: no new visitors, and what is under way may end within `limitMs`',
  ],
  stopped: ['`tunnel`', '`tunnel stop`: it is stopped, and stays so until `tunnel start`'],
  process: [
    '`pid`, `server`, `state`, `reason`, `tunnels`, `traffic`, `isDaemon`, `faults`',
    'the answer of the control socket (`run/<pid>.sock` beside what `init` stored) to a line `{"request":"status"}`. Other requests: `add`, `change` (`name`) with a `tunnel` as in tunnels.yaml; `start`, `stop`, `remove` with its name as `tunnel`; `stop` without one ends the process; `logs` is followed by every event',
  ],
  installed: [
    '`path`, `unit`, `steps`, `pid`',
    '`daemon install`: `unit` is what was written, missing when nothing was',
  ],
  uninstalled: ['`path`, `steps`', '`daemon uninstall`'],
  dropped: ['`lines`', 'not read in time, or the disk was full: so many lines of output are missing here'],
  check: [
    '`step`, `state`, `message`, `cure`',
    '`doctor`: a step of the way to the server; `state` is `ok`, `failed` or `not-checked`',
  ],
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
