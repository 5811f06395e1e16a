// Every setting once: kind, default, unit and a line of documentation. The file, the environment, the flags and the example come from here.
import * as nodePath from 'node:path'
import { xdgDirectory } from '../../../launch/home-path.ts'
import {
  address,
  block,
  domain,
  emailOrNone,
  eventPattern,
  httpUrl,
  type Kind,
  listOf,
  oneOf,
  path,
  pathOrNone,
  port,
  portRange,
  postUrl,
  profileName,
  proxyField,
  resolverAddress,
  secretText,
  secureUrlOrOff,
  wholeNumber,
  wholeNumberOrNone,
  yesOrNo,
} from './kinds.ts'

/** What defaults may depend on: nothing else of the environment is read. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The user's home directory. */
  readonly home: string
  readonly baseDomain: string
}

/** One setting; numbers are in its `unit`. */
export interface Setting<T> {
  readonly kind: Kind<T>
  readonly default: (surroundings: Surroundings) => T
  /** How the default reads in documentation, where it is not the same everywhere. */
  readonly defaultText?: string
  /** '' for values without a unit. */
  readonly unit: '' | 'seconds' | 'days' | 'megabytes' | 'connections' | 'connections a second' | 'bytes a second'
  readonly doc: string
  /** Its value is shown nowhere. */
  readonly isSecret?: boolean
}

/** The base domain with which everything works on one machine alone, with certificates of an own authority. */
export const DEVELOPMENT_DOMAIN = 'localhost'

/** Let's Encrypt's directory, of its live service. */
const LETS_ENCRYPT = 'https://acme-v02.api.letsencrypt.org/directory'

const DAY_SECONDS = 86_400

/** All settings, in the order of the documentation. */
export const SETTINGS = {
  baseDomain: setting({
    kind: domain,
    default: () => DEVELOPMENT_DOMAIN,
    unit: '',
    doc: 'tunnels are served as https://<name>.<base-domain>; localhost needs nothing from outside and makes its own certificates',
  }),
  dataDir: setting({
    kind: path,
    default: defaultDataDir,
    defaultText:
      '$STATE_DIRECTORY under systemd (for root and its user also in a shell), otherwise $XDG_DATA_HOME/pbt-server or ~/.local/share/pbt-server',
    unit: '',
    doc: 'the directory of the database and keys, made by "pbt-server init"',
  }),
  bindAddress: setting({
    kind: listOf(address),
    default: ({ baseDomain }) => (baseDomain === DEVELOPMENT_DOMAIN ? ['127.0.0.1', '::1'] : ['::']),
    defaultText:
      '["::"] (all addresses, IPv6 and IPv4; IPv4 only where there is no IPv6); with base-domain localhost ["127.0.0.1", "::1"]',
    unit: '',
    doc: 'the addresses of this machine to listen on',
  }),
  httpsPort: setting({
    kind: port,
    default: () => 8443,
    unit: '',
    doc: 'the port for visitors and for clients, usually 443; 0 chooses a free one',
  }),
  httpPort: setting({
    kind: port,
    default: () => 8080,
    unit: '',
    doc: 'the port that redirects visitors to https, usually 80; with base-domain localhost it serves tunnels; 0 chooses a free one',
  }),
  publicHttpsPort: setting({
    kind: wholeNumber(0, 65_535, 'a port from 0 to 65535 (0: the same as https-port)'),
    default: () => 0,
    unit: '',
    doc: 'the port that visitors and clients dial when a router, proxy or container forwards it to https-port; used in URLs and redirects; 0: the same as https-port',
  }),
  publicHttpPort: setting({
    kind: wholeNumber(0, 65_535, 'a port from 0 to 65535 (0: the same as http-port)'),
    default: () => 0,
    unit: '',
    doc: 'the port that visitors dial when it is forwarded to http-port; 0: the same as http-port',
  }),
  dnsPort: setting({
    kind: wholeNumber(0, 65_535, 'a port from 0 to 65535 (0 is off)'),
    default: () => 0,
    unit: '',
    doc: 'the port of the DNS responder, 53 to prove wildcards by delegation; it answers for acme.<base-domain> only; 0 is off',
  }),
  dnsAddress: setting({
    kind: listOf(address),
    default: () => [],
    defaultText: '[] (those of public-address)',
    unit: '',
    doc: 'the addresses of this machine for the DNS responder, where they differ from public-address, as behind NAT and in a container; 0.0.0.0 is every IPv4 address that its network interfaces have at the start, :: every address, each with a socket of its own',
  }),
  dnsResolver: setting({
    kind: resolverAddress,
    default: () => '',
    defaultText: '"" (the machine\'s)',
    unit: '',
    doc: 'the DNS resolver for all lookups of this server, as ADDRESS or ADDRESS:PORT',
  }),
  portRange: setting({
    kind: portRange,
    default: () => ({ first: 20_000, last: 40_000 }),
    unit: '',
    doc: 'the ports for TCP and UDP tunnels; the "ready" event lists them',
  }),
  publicAddress: setting({
    kind: listOf(address),
    default: () => [],
    unit: '',
    doc: 'the public addresses of this machine; "start" prints the DNS records for them',
  }),
  tlsCert: setting({
    kind: listOf(path),
    default: () => [],
    unit: '',
    doc: 'certificate chains in PEM, for <base-domain>, *.<base-domain> and custom domains; reloaded when they change',
  }),
  tlsKey: setting({
    kind: listOf(path),
    default: () => [],
    unit: '',
    doc: 'the private keys in PEM, in the order of tls-cert',
  }),
  acmeDirectory: setting({
    kind: secureUrlOrOff,
    default: ({ baseDomain }) => (baseDomain === DEVELOPMENT_DOMAIN ? '' : LETS_ENCRYPT),
    defaultText: `"${LETS_ENCRYPT}" (Let's Encrypt); with base-domain localhost off`,
    unit: '',
    doc: 'the ACME directory of the CA that issues certificates automatically, which means that you agree to its terms of service; off: no automatic certificates',
  }),
  acmeCa: setting({
    kind: pathOrNone,
    default: () => '',
    unit: '',
    doc: 'a file with the root certificates in PEM of a private CA behind acme-directory',
  }),
  acmeEmail: setting({
    kind: emailOrNone,
    default: () => '',
    unit: '',
    doc: 'your email address, for the account at the CA; empty: none',
  }),
  acmeProfile: setting({
    kind: profileName,
    default: () => '',
    defaultText: '"" (the CA\'s default)',
    unit: '',
    doc: 'the certificate profile to ask the CA for, for example shortlived',
  }),
  adminAllow: setting({
    kind: listOf(block),
    default: () => [],
    defaultText: '[] (everybody, with the token)',
    unit: '',
    doc: 'the addresses and CIDR blocks that may reach the admin host',
  }),
  trustedProxies: setting({
    kind: listOf(block),
    default: () => [],
    unit: '',
    doc: 'reverse proxies in front of this server whose X-Forwarded-For (else Forwarded), -Proto, -Host and -Port are trusted: allowlists, limits and the access log then apply to the visitor behind them',
  }),
  proxyFields: setting({
    kind: listOf(proxyField),
    default: () => [],
    unit: '',
    doc: "header fields such as Remote-User that trusted-proxies may set; they must remove a visitor's own. Without this they are dropped, see docs/limits.md",
  }),
  isolateCookies: setting({
    kind: yesOrNo,
    default: () => false,
    unit: '',
    doc: 'true removes cookies whose Domain is the base domain or above it from responses, so that no tunnel sets cookies for the others; false lets them pass, for single sign-on across tunnels',
  }),
  responseTimeoutSeconds: setting({
    kind: wholeNumber(0, DAY_SECONDS, 'seconds from 0 to 86400 (0 is no limit)'),
    default: () => 0,
    unit: 'seconds',
    doc: 'how long a target may take to begin its response once it has the request, or has stopped reading it; 0 is no limit',
  }),
  connectionsPerAddress: setting({
    kind: wholeNumber(1, 100_000, 'connections from 1 to 100000'),
    default: () => 512,
    unit: 'connections',
    doc: "how many connections one visitor address (IPv6: one /64) may have open; the server's own machine is exempt; requests under way are limited likewise (docs/limits.md)",
  }),
  newConnectionsPerSecond: setting({
    kind: wholeNumber(1, 100_000, 'connections a second from 1 to 100000'),
    default: () => 50,
    unit: 'connections a second',
    doc: 'how many connections one visitor address may open per second on average; bursts may be four times that',
  }),
  leastUploadRate: setting({
    kind: wholeNumber(0, 1_000_000, 'bytes a second from 0 to 1000000 (0 is no limit)'),
    default: () => 1_024,
    unit: 'bytes a second',
    doc: 'the minimum rate of a request body while resources are short: its address has much under way, few connections are left, or its client has no descriptors. Not in its first 10 s, nor once the target has begun its response; 0 is no limit',
  }),
  memoryLimitMegabytes: setting({
    kind: wholeNumberOrNone(
      256,
      1_000_000,
      'megabytes from 256 to 1000000, or 0 (what systemd, the container or the machine allows)',
    ),
    default: () => 0,
    unit: 'megabytes',
    doc: 'the memory that the server may use: above four fifths of it, new visitors and requests get 503; 0 is what systemd, the container or the machine allows',
  }),
  drainSeconds: setting({
    kind: wholeNumber(0, 3_600, 'seconds from 0 to 3600'),
    default: () => 30,
    unit: 'seconds',
    doc: 'how long requests in flight may take to finish when the server stops',
  }),
  accessLogDays: setting({
    kind: wholeNumber(0, 3_650, 'days from 0 to 3650 (0 keeps no records, only totals per minute)'),
    default: () => 14,
    unit: 'days',
    doc: 'how long the access log keeps a record; 0 keeps none, only totals per minute',
  }),
  accessLogMegabytes: setting({
    kind: wholeNumber(1, 1_000_000, 'megabytes from 1 to 1000000'),
    default: () => 500,
    unit: 'megabytes',
    doc: 'the maximum size of the access log; then the oldest records are deleted',
  }),
  metricsPort: setting({
    kind: wholeNumber(0, 65_535, 'a port from 0 to 65535 (0 is off)'),
    default: () => 0,
    unit: '',
    doc: 'the port of /metrics for Prometheus, over plain HTTP and without authentication; 0 is off',
  }),
  metricsAddress: setting({
    kind: address,
    default: () => '127.0.0.1',
    unit: '',
    doc: 'the address of this machine to serve metrics on',
  }),
  otlpEndpoint: setting({
    kind: httpUrl,
    default: () => '',
    defaultText: '"" (off)',
    unit: '',
    doc: 'where to send metrics by OTLP over HTTP, for example http://127.0.0.1:4318/v1/metrics',
  }),
  otlpIntervalSeconds: setting({
    kind: wholeNumber(1, 3_600, 'seconds from 1 to 3600'),
    default: () => 30,
    unit: 'seconds',
    doc: 'how often metrics are sent by OTLP',
  }),
  notifyUrl: setting({
    kind: listOf(postUrl),
    default: () => [],
    unit: '',
    isSecret: true,
    doc: 'where to POST events: webhooks, or ntfy topics such as https://ntfy.sh/my-topic (deploy/README.md has the format)',
  }),
  notifyKinds: setting({
    kind: listOf(eventPattern),
    default: () => ['client.connected', 'client.gone', 'tunnel.*', 'token.*', 'panel.*', 'domain.*', 'server.*'],
    unit: '',
    doc: 'the kinds of events to send: those of docs/events.md, tunnel.* for all of a subject, or * for all',
  }),
  notifySecretFile: setting({
    kind: pathOrNone,
    default: () => '',
    unit: '',
    doc: 'a file with the secret that signs requests to notify-url (HMAC-SHA256, Standard Webhooks); empty: not signed',
  }),
  notifySecret: setting({
    kind: secretText,
    default: () => '',
    unit: '',
    isSecret: true,
    doc: 'the secret itself, for an environment variable; on a command line other users of the machine could see it',
  }),
  logLevel: setting({
    kind: oneOf('error', 'warn', 'info', 'debug'),
    default: () => 'info' as const,
    unit: '',
    doc: 'minimum log level: error, warn, info or debug',
  }),
} satisfies Record<string, Setting<unknown>>

/** The name in the program; `keyOf` and `variableOf` give the names that the owner writes. */
export type SettingName = keyof typeof SETTINGS

/** Every setting with its value. */
export type Config = { readonly [Name in SettingName]: (typeof SETTINGS)[Name] extends Setting<infer T> ? T : never }

/** The name in files and, with two dashes, on the command line. */
export function keyOf(name: SettingName): string {
  return name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}

/** The name in the environment. */
export function variableOf(name: SettingName): string {
  return `PBT_SERVER_${keyOf(name).replaceAll('-', '_').toUpperCase()}`
}

/** The default as documentation shows it. */
export function defaultTextOf(name: SettingName): string {
  const { kind, default: defaultOf, defaultText }: Setting<unknown> = SETTINGS[name]
  return defaultText ?? kind.show(defaultOf({ environment: {}, home: '~', baseDomain: DEVELOPMENT_DOMAIN }))
}

/** In the order of the table. */
export const SETTING_NAMES = Object.keys(SETTINGS).filter((name): name is SettingName => name in SETTINGS)

function setting<T>(described: Setting<T>): Setting<T> {
  return described
}

function defaultDataDir({ environment, home }: Surroundings): string {
  // systemd may name several directories with a colon between; the first is the unit's own.
  const state = environment.STATE_DIRECTORY?.split(':')[0]
  if (state) return state
  return nodePath.join(xdgDirectory(environment.XDG_DATA_HOME, home, '.local/share'), 'pbt-server')
}
