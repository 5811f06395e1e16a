// What pbt-server tells programs: an object a line with --json. The fields are a promise.
import type { ConfigProblem } from '../config/config.ts'
import type { FailureCode } from '../failure.ts'

/** What pbt-server tells programs; the fields are a promise. */
export type ServerEvent =
  | {
      readonly event: 'initialised'
      readonly token: string
      readonly dataDir: string
      readonly ca?: string
      readonly next: string
    }
  | Ready
  | {
      readonly event: 'rotated'
      readonly token: string
      /** When the one before ends; none: it has. */
      readonly endsAt?: Date
      /** The names of clients that are sent the new one. */
      readonly told: readonly string[]
    }
  | { readonly event: 'revoked'; readonly id: number }
  | ({ readonly event: 'reserved' | 'released' | 'mapped' | 'noted' } & AddressItem)
  | ({ readonly event: 'killed' /** Connections that were cut. */; readonly cut: number } & TunnelItem)
  | ({ readonly event: 'started' /** A client opens it now, or has it. */; readonly isOpening: boolean } & TunnelItem)
  | ({ readonly event: 'paused' | 'unpaused' } & TunnelItem)
  | ({ readonly event: 'domain-added' | 'domain-retried' | 'domain-removed' } & DomainItem)
  | ({ readonly event: 'check' } & CheckItem)
  | { readonly event: 'login'; readonly url: string; readonly endsAt: Date }
  /** So many records came too fast to be told. */
  | { readonly event: 'skipped'; readonly records: number }
  | {
      readonly event: 'backed-up'
      readonly file: string
      readonly files: number
      readonly bytes: number
      /** Files of the data directory that are not part of it. */
      readonly skipped: readonly string[]
    }
  | {
      readonly event: 'restored'
      readonly dataDir: string
      /** Of the pbt-server that made the backup. */
      readonly version: string
      readonly madeAt: Date
      readonly baseDomain: string
      readonly files: number
      /** Where what was there before is now. */
      readonly replaced?: string
      /** Where the settings are, and where each of them was; `isSame`: what is there now is the same. */
      readonly settings?: string
      readonly settingsFrom: readonly { readonly name: string; readonly from: string; readonly isSame: boolean }[]
      readonly next: string
    }
  | { readonly event: 'stopping' }
  | { readonly event: 'stopped' }
  | {
      readonly event: 'error'
      readonly code: FailureCode
      readonly message: string
      readonly cure: string
      /** One for each setting that is not right. */
      readonly problems?: readonly ConfigProblem[]
    }

/** An address with who may visit it. */
export interface AddressItem {
  readonly address: string
  /** The tunnel that has it or had it last. */
  readonly tunnel?: string
  /** The owner gave it to that tunnel. */
  readonly isMapped?: boolean
  readonly target?: string
  /** Its client is there, or expected back. */
  readonly isExpected: boolean
  /** `client`: those it names with --allow; `listed`: those of the address's own list. */
  readonly access: 'client' | 'everybody' | 'listed'
  /** The addresses and CIDR blocks of `client` (none: everybody) or `listed` (none: nobody). */
  readonly allow: readonly string[]
  readonly note?: string
  readonly createdAt: Date
  readonly lastUsedAt?: Date | undefined
}

/** A DNS record to create. */
export interface RecordToCreate {
  readonly name: string
  readonly type: string
  readonly value: string
}

/** A domain with its certificate. */
export interface DomainItem {
  readonly domain: string
  /** All names of its certificate. */
  readonly names: readonly string[]
  readonly state: 'pending' | 'verified' | 'issuing' | 'issued' | 'renewing' | 'error'
  readonly proof: 'http' | 'delegated'
  /** The server's own. */
  readonly isBase?: boolean
  readonly tunnel?: string
  /** The last one, until a certificate comes: the CA's type and words, or the check that failed. */
  readonly problem?: { readonly type: string; readonly message: string; readonly cure?: string; readonly link?: string }
  /** Refused by the CA so many times in a row. */
  readonly failures?: number
  /** It waits for "domain retry". */
  readonly isGivenUp?: boolean
  readonly nextTry?: Date | undefined
  readonly validUntil?: Date | undefined
  readonly renewsAt?: Date | undefined
  readonly issuer?: string
  readonly records: readonly RecordToCreate[]
}

/** A tunnel as it is now. */
export interface TunnelItem {
  readonly tunnel: string
  readonly kind: 'http' | 'tcp' | 'udp' | ''
  readonly state: 'online' | 'offline' | 'paused' | 'killed' | 'awaited'
  /** Why, for people; '' when there is nothing to say. */
  readonly reason: string
  readonly since?: Date | undefined
  /** Its addresses that serve. */
  readonly urls: readonly string[]
  /** Those that do not yet. */
  readonly waiting: readonly { readonly url: string; readonly reason: string; readonly cure: string }[]
  readonly target: string
  /** The name of its client. */
  readonly client: string
  /** Requests, connections and flows. */
  readonly open: number
  /** Since it was first seen. */
  readonly bytesIn: number
  readonly bytesOut: number
}

/** A token, without itself. */
export interface TokenItem {
  readonly id: number
  readonly label: string
  readonly state: 'valid' | 'ending' | 'ended'
  /** The names of those that are connected with it. */
  readonly clients: readonly string[]
  readonly createdAt: Date
  readonly lastUsedAt?: Date | undefined
  readonly endsAt?: Date | undefined
}

/** What a visitor did. */
export interface RecordItem {
  /** Missing while it is not written yet. */
  readonly id?: number
  /** Empty: for none. */
  readonly tunnel: string
  /** http, websocket, upgrade, tcp or udp. */
  readonly kind: string
  readonly peer: string
  /** Method and path without the query. */
  readonly summary: string
  /** 0: there was no answer. */
  readonly status: number
  readonly startedAt: Date
  readonly endedAt: Date
  readonly durationMs: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Why it ended; empty: it was complete. */
  readonly reason: string
}

/** A step of what was looked at. */
export interface CheckItem {
  readonly step: string
  readonly state: 'ok' | 'failed' | 'not-checked'
  readonly message: string
  readonly cure?: string
  /** The name that it is about, of several. */
  readonly name?: string
  /** To be created, when that is the cure. */
  readonly record?: RecordToCreate
}

/** What there is of a kind: for programs an object a line, whose event is the kind. */
export type ServerList =
  | { readonly list: 'address' | 'allowlist'; readonly items: readonly AddressItem[] }
  | { readonly list: 'token'; readonly items: readonly TokenItem[] }
  | { readonly list: 'tunnel'; readonly items: readonly TunnelItem[] }
  /** No items: each has been told by an event when it was known. */
  | { readonly list: 'check'; readonly items: readonly CheckItem[]; readonly verdict: string }
  | { readonly list: 'domain'; readonly items: readonly DomainItem[]; readonly offReason: string }
  | { readonly list: 'record'; readonly items: readonly RecordItem[] }

/** The server takes visitors and clients from now on. */
export interface Ready {
  readonly event: 'ready'
  readonly baseDomain: string
  /** The ports that are bound; 0: none. */
  readonly https: number
  readonly http: number
  /** The ports that visitors use, where these are passed on to the ones that are bound. */
  readonly publicHttps?: number
  readonly publicHttp?: number
  readonly dns: number
  readonly portRange: string
  /** The file of the development authority, when there is one. */
  readonly ca?: string
  readonly publicAddress?: readonly string[]
}
