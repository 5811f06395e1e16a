// What the responder did, in figures.

/** Counts since the start. */
export interface Answered {
  /** Full answers, errors included. */
  full: number
  /** Sent to TCP because the network asked too much. */
  limited: number
  /** What there must be no answer to. */
  ignored: number
}

export function nothingAnswered(): Answered {
  return { full: 0, limited: 0, ignored: 0 }
}

export function noteAnswer(answered: Answered, reply: Buffer | undefined): void {
  if (reply === undefined) answered.ignored++
  else answered.full++
}
