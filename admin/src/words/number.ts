// Numbers for people.

// Made once: `toLocaleString` makes one for each call, which a table of hundreds of numbers feels.
const GROUPED = new Intl.NumberFormat('en-GB')

/** 1,204 */
export function figure(value: number | bigint): string {
  return GROUPED.format(value)
}
