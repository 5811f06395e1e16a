// Opens the DNS responder as the settings say.
import { networkInterfaces } from 'node:os'
import type { Clock } from '@pbt/proto'
import type { Config } from '../../../config/config.ts'
import type { Log } from '../../../observe/log.ts'
import type { TxtSource } from '../types.ts'
import { ownAddresses } from './own-addresses.ts'
import { type KeptSocket, Responder } from './responder.ts'

export interface OpenResponderOptions {
  readonly config: Pick<Config, 'baseDomain' | 'dnsPort' | 'dnsAddress' | 'publicAddress'>
  readonly texts: TxtSource
  /** Sockets of dns-port that were bound before this process. */
  readonly kept: readonly KeptSocket[]
  /** Another process may listen on the same port, to take over. */
  readonly isShared: boolean
  readonly clock: Clock
  readonly log: Log
}

/** Undefined when it is off. Rejects with the system's error when a port cannot be had, with a Failure where there is no address. */
export async function openResponder(options: OpenResponderOptions): Promise<Responder | undefined> {
  const { config, texts, log } = options
  const { baseDomain, dnsPort: port, dnsAddress, publicAddress } = config
  if (port === 0) return undefined
  const listed = dnsAddress.length > 0 ? dnsAddress : publicAddress
  // What a supervisor has bound needs no address, and may come before the network has one.
  const addresses = options.kept.length > 0 ? listed : ownAddresses(listed, networkInterfaces())
  // Seconds: nobody transfers the zone, but a number that falls looks broken to those who watch it.
  const zone = { baseDomain, texts, serial: () => Math.floor(Date.now() / 1_000) }
  const responder = await Responder.open({ ...options, zone, addresses, port })
  log.info('answering DNS', { zone: `acme.${baseDomain}`, addresses, port: responder.port })
  return responder
}
