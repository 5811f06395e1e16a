// Where the DNS responder meets the rest of the server: its sockets among those that were handed over, and what it answers with.
import type { Clock } from '@pbt/proto'
import { openResponder } from './certs/acme/dns/open.ts'
import type { Acme } from './certs/acme/open.ts'
import type { TxtSource } from './certs/acme/types.ts'
import type { Config } from './config/config.ts'
import type { Log } from './observe/log.ts'
import { type InheritedSocket, inheritedEndpoints } from './process/inherited.ts'

/** What the server has for it. */
export interface DnsOptions {
  readonly config: Config
  readonly forDns: readonly InheritedSocket[]
  /** undefined: there are no automatic certificates. */
  readonly acme: Acme | undefined
  readonly isShared: boolean
  readonly clock: Clock
  readonly log: Log
}

/** Without automatic certificates no name below the zone's own has a text. */
const NO_TEXTS: TxtSource = { txt: () => Promise.resolve(undefined) }

/** Which of the sockets that were handed over are the DNS responder's; those of UDP can be nobody else's. */
export function socketsOf({ dnsPort }: Config, sockets: readonly number[], log: Log) {
  const found = inheritedEndpoints(sockets)
  const forDns = found.filter(({ port }) => dnsPort !== 0 && port === dnsPort)
  const unused = found.filter(each => each.protocol === 'udp' && !forDns.includes(each))
  for (const { port } of unused) log.error('an inherited UDP socket is not for dns-port', { port, dnsPort })
  const taken = [...forDns, ...unused].map(({ fd }) => fd)
  return { forDns, others: sockets.filter(fd => !taken.includes(fd)) }
}

/** The responder, where the settings want one. Returns what ends it. Rejects when it cannot listen. */
export async function openDns({
  config,
  forDns,
  acme,
  isShared,
  clock,
  log,
}: DnsOptions): Promise<() => Promise<void>> {
  const responder = await openResponder({
    config,
    texts: acme?.txt ?? NO_TEXTS,
    kept: forDns,
    isShared,
    clock,
    log: log.child({ room: 'dns' }),
  })
  return async () => await responder?.close()
}
