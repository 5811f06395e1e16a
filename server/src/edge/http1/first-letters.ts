// Tells by a name's first letters, before anything is copied, that it is none of a list.

/** A letter in either case; signs and digits fall on some letter, which makes a name likely, never unlikely. */
const LETTER = 0x1f
const LETTERS = 32
const PAIRS = LETTERS * LETTERS

/**
 * A list of names in lower case, with `*` at the end where anything may follow. Letters are looked at in pairs: the first
 * pair leads to the tables that have the second and third pairs of the names that begin with it.
 */
export class FirstLetters {
  /** 0: no name begins so. */
  private readonly tableOf = new Uint8Array(PAIRS)
  private readonly isKnown: Uint8Array

  constructor(names: readonly string[]) {
    const beginnings = [...new Set(names.map(name => name.slice(0, 2)))]
    this.isKnown = new Uint8Array((beginnings.length + 1) * 2 * PAIRS)
    for (const name of names) {
      const table = beginnings.indexOf(name.slice(0, 2)) + 1
      for (const pair of pairsAt(name, 0)) this.tableOf[pair] = table
      for (const pair of pairsAt(name, 2)) this.isKnown[2 * table * PAIRS + pair] = 1
      for (const pair of pairsAt(name, 4)) this.isKnown[(2 * table + 1) * PAIRS + pair] = 1
    }
  }

  /** False: no name of the list is this one, in whatever case and with whatever sign for a hyphen. */
  mayHave(name: string): boolean {
    const table = this.tableOf[pairAt(name, 0)] ?? 0
    if (table === 0 || this.isKnown[2 * table * PAIRS + pairAt(name, 2)] === 0) return false
    return this.isKnown[(2 * table + 1) * PAIRS + pairAt(name, 4)] === 1
  }
}

/** Behind a name's end there is NaN, which counts as 0. */
function pairAt(name: string, at: number): number {
  return (name.charCodeAt(at) & LETTER) * LETTERS + (name.charCodeAt(at + 1) & LETTER)
}

function pairsAt(name: string, at: number): number[] {
  return lettersAt(name, at).flatMap(first => lettersAt(name, at + 1).map(second => first * LETTERS + second))
}

function lettersAt(name: string, at: number): number[] {
  const isAny = name[at] === '-' || (name.endsWith('*') && at >= name.length - 1)
  return isAny ? Array.from({ length: LETTERS }, (_, each) => each) : [name.charCodeAt(at) & LETTER]
}
