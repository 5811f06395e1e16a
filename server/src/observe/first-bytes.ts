// How long answers took to begin: counted in classes, from which it is told how long half of them took, or 19 of 20.

/**
 * Upper bounds of the classes, milliseconds; one more class has the rest. Each is at most twice the one before and near 1.6
 * times, so that what is told from them is off by a quarter at most.
 */
export const FIRST_BYTE_BOUNDS_MS = [
  1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 125, 200, 300, 500, 800, 1_250, 2_000, 5_000, 15_000,
] as const

/** As the database has them, in its order. */
export const FIRST_BYTE_FIELDS: readonly string[] = Array.from(
  { length: FIRST_BYTE_BOUNDS_MS.length + 1 },
  (_, index) => `first${index}`,
)

/** Counts one into its class. */
export function countFirstByte(classes: number[], ms: number): void {
  let at = 0
  while (at < FIRST_BYTE_BOUNDS_MS.length && ms > (FIRST_BYTE_BOUNDS_MS[at] ?? 0)) at++
  classes[at] = (classes[at] ?? 0) + 1
}

/**
 * The time within which this part (0.5: half) of the answers began, milliseconds: those of a class are taken as spread evenly
 * over it. Those beyond the last bound are told as that bound. Undefined: there were none.
 */
export function firstByteWithin(classes: readonly number[], part: number): number | undefined {
  const wanted = part * classes.reduce((sum, count) => sum + count, 0)
  if (wanted <= 0) return undefined
  let before = 0
  for (const [index, upper] of FIRST_BYTE_BOUNDS_MS.entries()) {
    const count = classes[index] ?? 0
    if (count > 0 && before + count >= wanted) {
      const lower = FIRST_BYTE_BOUNDS_MS[index - 1] ?? 0
      return lower + ((upper - lower) * (wanted - before)) / count
    }
    before += count
  }
  return FIRST_BYTE_BOUNDS_MS.at(-1)
}
