// What somebody meant who misspelt a name.

/** Slips in one word: more make another word of it, and of a short one one already nearly does. */
const MOST_SLIPS = 2
const SHORT_CHARS = 3

/** The name nearest to the word, undefined when none is near. Letters left out, added, changed or swapped are slips. */
export function suggestionFor(word: string, names: readonly string[]): string | undefined {
  const most = word.length <= SHORT_CHARS ? 1 : MOST_SLIPS
  let [nearest, slips]: [string | undefined, number] = [undefined, most + 1]
  for (const name of names) {
    const distance = slipsBetween(word.toLowerCase(), name)
    // Of a short word little is left that could be recognised.
    if (distance < slips && distance < Math.min(word.length, name.length)) [nearest, slips] = [name, distance]
  }
  return nearest
}

/** Optimal string alignment: each pair of neighbours is swapped once at most. */
function slipsBetween(one: string, other: string): number {
  if (Math.abs(one.length - other.length) > MOST_SLIPS) return MOST_SLIPS + 1
  let before: number[] = []
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      const isSame = one[i - 1] === other[j - 1]
      const isSwapped = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]
      const [left = 0, above = 0, diagonal = 0] = [next[j - 1], row[j], row[j - 1]]
      let least = Math.min(left + 1, above + 1, diagonal + (isSame ? 0 : 1))
      if (isSwapped) least = Math.min(least, (before[j - 2] ?? 0) + 1)
      next.push(least)
    }
    before = row
    row = next
  }
  return row.at(-1) ?? 0
}
