// The answers to challenges that are open: kept in the database, answered from memory.
import type { Clock } from '@pbt/proto'
import { labelOf } from './names.ts'
import type { KeptChallenge, OrderRecords } from './records.ts'
import type { ChallengeStore, TxtSource } from './types.ts'

/** Every other process of this server has read a change of the database by then. */
const SEEN_MS = 1_000

/** What the answers need. */
export interface ChallengesOptions {
  readonly records: Pick<OrderRecords, 'putChallenge' | 'removeChallenge'>
  /** `acme.<base>`. */
  readonly zone: string
  /** Whether another process of this server may be asked instead of this one. */
  readonly hasOthers: () => boolean
  readonly clock: Clock
}

/** Answers for all domains of this server. */
export class Challenges implements TxtSource {
  private readonly options: ChallengesOptions
  private tokens = new Map<string, string>()
  /** By the labels of the domains' names: those without an answer have an empty list. */
  private texts = new Map<string, readonly string[]>()
  /** Put here and not removed yet: a reading that began before does not know them. Few: those of the orders under way. */
  private readonly placed = new Map<string, KeptChallenge>()

  constructor(options: ChallengesOptions) {
    this.options = options
  }

  /** What the database has now. */
  load(challenges: readonly KeptChallenge[], labels: readonly string[]): void {
    const tokens = new Map<string, string>()
    const texts = new Map<string, readonly string[]>(labels.map(label => [label, []]))
    this.tokens = tokens
    this.texts = texts
    for (const challenge of [...challenges, ...this.placed.values()]) this.add(challenge)
  }

  /** The key authorization for an HTTP-01 token; undefined: it is none of this server's. */
  answerTo(token: string): string | undefined {
    return this.tokens.get(token)
  }

  async txt(name: string): Promise<readonly string[] | undefined> {
    const { zone } = this.options
    if (!name.endsWith(`.${zone}`)) return undefined
    return this.texts.get(name.slice(0, -zone.length - 1))
  }

  /** Where the answers of orders are put. */
  get store(): ChallengeStore {
    const { records, hasOthers, clock } = this.options
    return {
      put: async (kind, name, token, value) => {
        const challenge = { kind, name, token, value, label: labelOf(name) }
        this.placed.set(keyOf(challenge), challenge)
        await records.putChallenge(challenge)
        this.add(challenge)
        if (hasOthers()) await new Promise<void>(resolve => void clock.after(SEEN_MS, resolve))
      },
      remove: async (kind, name, token) => {
        // Until the next reading it is answered still, which harms nobody.
        this.placed.delete(keyOf({ kind, name, token }))
        await records.removeChallenge({ kind, name, token })
      },
    }
  }

  private add({ kind, label, token, value }: KeptChallenge): void {
    if (kind === 'http') this.tokens.set(token, value)
    else this.texts.set(label, [...(this.texts.get(label) ?? []).filter(text => text !== value), value])
  }
}

function keyOf({ kind, name, token }: Pick<KeptChallenge, 'kind' | 'name' | 'token'>): string {
  return `${kind} ${name} ${token}`
}
