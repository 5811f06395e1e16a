// "Did you mean …?": the name that differs by the fewest letters.

/** More changes than this are another name. */
const MAX_CHANGES = 2

/** The closest of `names` within two letters added, left out, changed or swapped; undefined when there is none, or it is the name itself. */
export function closest(name: string, names: readonly string[]): string | undefined {
  let best: string | undefined
  let fewest = MAX_CHANGES + 1
  for (const each of names) {
    const changes = Math.abs(each.length - name.length) > MAX_CHANGES ? fewest : distance(name, each)
    if (each !== name && changes < fewest) [best, fewest] = [each, changes]
  }
  return best
}

/** Damerau-Levenshtein, neighbours swapped counted once. */
function distance(one: string, other: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let row = 1; row <= one.length; row++) {
    const next = [row]
    for (let column = 1; column <= other.length; column++) {
      const isSame = one[row - 1] === other[column - 1]
      const changed = (last[column - 1] ?? 0) + (isSame ? 0 : 1)
      let least = Math.min(changed, (last[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1)
      const isSwapped =
        row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1]
      if (isSwapped) least = Math.min(least, (beforeLast[column - 2] ?? 0) + 1)
      next.push(least)
    }
    beforeLast = last
    last = next
  }
  return last[other.length] ?? 0
}
