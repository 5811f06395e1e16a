// What can happen that the owner may want to know: every kind once, and what an event carries.

/** Every kind: what it is about, and what happened to it. `docs/events.md` lists them. */
export const EVENT_KINDS = {
  'client.connected': 'a client began a session',
  'client.lost': 'its link broke; it may resume for 30 s',
  'client.resumed': 'it came back in time and resumed',
  'client.gone': 'its session ended, with everything open in it',
  'client.disconnected': 'the owner ended its session; it connects again by itself',
  'client.forgotten': 'the owner removed it from the list of clients',
  'tunnel.online': 'visitors reach the tunnel',
  'tunnel.offline': 'visitors no longer reach it',
  'tunnel.refused': 'a client asked for a tunnel that it cannot have',
  'tunnel.killed': 'the owner ended it: it stays down until its command is run again',
  'tunnel.started': 'a killed tunnel may come back',
  'tunnel.paused': 'the owner paused it: visitors are refused',
  'tunnel.resumed': 'visitors are let in again',
  'tunnel.target-refuses': 'its client does not reach the target',
  'tunnel.target-answers': 'its client reaches the target again',
  'connection.ended': 'the owner ended a request, connection or flow of a tunnel',
  'address.reserved': 'the owner reserved an address',
  'address.released': 'the owner released an address',
  'address.mapped': 'the owner assigned an address to a tunnel, or unassigned it',
  'address.noted': 'the owner wrote a note about an address',
  'allowlist.changed': 'the owner changed who may visit an address',
  'allowlist.ended': 'an allowlist entry with an end time expired',
  'domain.added': 'a domain is to get a certificate',
  'domain.verified': 'its DNS is right; the order follows',
  'domain.ordered': 'a certificate was ordered from the CA',
  'domain.issued': 'its first certificate came',
  'domain.renewed': 'its certificate was renewed',
  'domain.error': 'it gets no new certificate: something is missing, or the CA refused',
  'domain.removed': 'its certificate is no longer served',
  'visitor.refused':
    'a visitor was refused: at most one event a minute for each address, tunnel and rule, with a count',
  'visitor.many-refused': 'more visitors were refused than are reported one by one, with a count',
  'token.rotated': 'the owner made a new token',
  'token.taken': 'a client took the new token',
  'token.ended': 'a token is no longer valid',
  'token.refused': 'a wrong token was presented; reported like refused visitors',
  'panel.login': 'somebody logged in to the panel',
  'panel.refused': 'somebody failed to log in; reported like refused visitors',
  'panel.ended': 'sessions of the panel were ended',
  'server.started': 'the server is ready',
  'server.stopping': 'the server stops or restarts',
  'server.certificate': 'a certificate cannot be used, or can again',
  'server.events-lost': 'events could not be stored, with a count',
} as const satisfies Record<string, string>

/** `subject.what-happened`, as programs and settings name it. */
export type EventKind = keyof typeof EVENT_KINDS

/** Something that happened, as it is told. */
export interface Happening {
  readonly kind: EventKind
  /** The name of what it is about: a tunnel, an address, a client's label. */
  readonly subject: string
  /** For people: a sentence without a period. */
  readonly message: string
  /** Values of their own by name. `client` is a client's id, `tunnel` and `address` what they say. */
  readonly fields?: Readonly<Record<string, string>>
}

/** Something that happened, as it is kept. */
export interface KeptEvent {
  /** Grows by one for each. */
  readonly number: number
  readonly at: Date
  readonly kind: string
  readonly subject: string
  readonly message: string
  readonly fields: Readonly<Record<string, string>>
}

/** Hears what happens. Never throws, waits for nothing. */
export type Tell = (happening: Happening) => void

/** An event that has no number yet. */
export type NewEvent = Omit<KeptEvent, 'number'>

/** What is kept of events, by every process that has the database open. */
export interface EventRecords {
  /** Keeps them in this order, all or none; the number of the first, the others follow it. */
  append(events: readonly NewEvent[]): Promise<number>
  /** Those after a number, the oldest first, at most `most`. */
  after(number: number, most: number): Promise<KeptEvent[]>
  /** The newest number there ever was; 0: none. */
  last(): Promise<number>
  /** Those of a client before a number, the newest first, at most `most`. */
  ofClient(client: string, before: number, most: number): Promise<KeptEvent[]>
  /** Forgets the oldest, some at a time, until only `count` are left and none from before `since`; whether some are left to forget. */
  prune(keep: { readonly count: number; readonly since: Date }): Promise<boolean>
}

/** Longest of the texts, characters. */
const MAX_SUBJECT = 300
const MAX_MESSAGE = 1_000
const MAX_FIELD = 500
const MAX_FIELDS = 20

/** As it is kept: what is too long is cut. */
export function newEvent({ kind, subject, message, fields = {} }: Happening, at: Date): NewEvent {
  const some = Object.entries(fields).slice(0, MAX_FIELDS)
  return {
    at,
    kind,
    subject: cut(subject, MAX_SUBJECT),
    message: cut(message, MAX_MESSAGE),
    fields: Object.fromEntries(some.map(([name, value]) => [name, cut(value, MAX_FIELD)])),
  }
}

/** Well-formed, so that every reader can be sent it. */
function cut(text: string, most: number): string {
  return (text.length <= most ? text : `${text.slice(0, most - 1)}…`).toWellFormed()
}
