// The TLS that visitors and links speak with the edge: versions, ciphers, tickets, and which certificate is shown.
import { constants, randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import {
  createSecureContext,
  createServer,
  type SecureContext,
  type Server,
  type TLSSocket,
  type TlsOptions as TlsServerOptions,
} from 'node:tls'
import type { Clock, Timer } from '@pbt/proto'
import type { Log } from '../observe/log.ts'
import type { CertificatePair, Keyring } from '../relay/keyring.ts'

/** A visitor shakes hands within this. */
const TLS_HANDSHAKE_MS = 10_000
/**
 * What encrypts and authenticates in one, with keys that nobody can have afterwards (RFC 9325 section 4.2). AES with keys of 128
 * bits comes first: RFC 8446 section 9.1 has everybody speak it, and with 256 bits bulk costs each end of the link a seventh
 * more to seal.
 */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')
const MIN_VERSION = 'TLSv1.2'
/** Tickets with which visitors resume TLS are sealed with keys that live this long; then they shake hands in full. */
const TICKET_KEYS_MS = 12 * 3_600_000
/** What OpenSSL takes: a name, a key for the seal and one for the content. */
const TICKET_KEYS_BYTES = 48

/** Where certificates come from, and where connections go once TLS is up. */
export interface TlsOptions {
  readonly keyring: Keyring
  /** Takes a connection that has shaken hands. */
  readonly secured: (socket: TLSSocket) => void
  readonly clock: Clock
  readonly log: Log
}

/** Shakes hands on connections that it is handed. */
export class Tls {
  private readonly options: TlsOptions
  private readonly server: Server
  private ticketKeys = randomBytes(TICKET_KEYS_BYTES)
  private timer: Timer
  private shown: CertificatePair | undefined
  /** For a name without a certificate: no peer knows the key of this one, so that the handshake ends with an alert (RFC 6066 section 3). */
  private keyless: SecureContext | undefined

  constructor(options: TlsOptions) {
    this.options = options
    this.server = createServer({
      ...this.contextOptions(),
      handshakeTimeout: TLS_HANDSHAKE_MS,
      SNICallback: (name, call) => this.contextFor(name, call),
      ALPNCallback: ({ protocols }) => ['h2', 'http/1.1'].find(protocol => protocols.includes(protocol)),
    })
    this.server.on('secureConnection', options.secured)
    this.server.on('tlsClientError', (_error, socket) => socket.destroy())
    this.timer = options.clock.after(TICKET_KEYS_MS, this.rotateTicketKeys)
  }

  accept(socket: Socket): void {
    // Node asks no callback for the certificate of a connection without a server name: it has to be there before.
    this.show(this.options.keyring)
    // TLS on top takes this over: a peer that closes its side during the handshake is gone.
    socket.allowHalfOpen = false
    this.server.emit('connection', socket)
  }

  close(): void {
    this.timer.clear()
  }

  private contextOptions(): TlsServerOptions {
    const { shown } = this
    return {
      minVersion: MIN_VERSION,
      ciphers: CIPHERS,
      // TLS 1.2 lets a peer shake hands again and again on one connection, which costs the server most.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      ticketKeys: this.ticketKeys,
      ...(shown === undefined ? {} : { cert: shown.cert, key: shown.key }),
    }
  }

  private show(keyring: Keyring): void {
    try {
      const { unnamed } = keyring
      if (unnamed === this.shown) return
      this.shown = unnamed
      this.keyless = unnamed === undefined ? undefined : createSecureContext({ cert: unnamed.cert })
      this.server.setSecureContext(this.contextOptions())
    } catch (error) {
      this.options.log.error('the certificate for connections without a server name cannot be used', {
        error: String(error),
      })
    }
  }

  private contextFor(name: string, call: (error: Error | null, context?: SecureContext) => void): void {
    try {
      call(null, this.options.keyring.contextFor(name.toLowerCase()) ?? this.keyless)
    } catch (error) {
      this.options.log.error('certificate could not be chosen', { name, error: String(error) })
      call(error instanceof Error ? error : new Error('no certificate'))
    }
  }

  private readonly rotateTicketKeys = (): void => {
    this.ticketKeys = randomBytes(TICKET_KEYS_BYTES)
    this.server.setTicketKeys(this.ticketKeys)
    this.timer = this.options.clock.after(TICKET_KEYS_MS, this.rotateTicketKeys)
  }
}
