// Amounts of data for people: decimal units.

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const

/** The number and its unit apart: 5.4 and MB. */
export function sized(bytes: number | bigint): readonly [number: string, unit: string] {
  let value = Number(bytes)
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1_000
    unit++
  }
  return [
    unit === 0 ? String(Math.round(value)) : value < 9.95 ? value.toFixed(1) : String(Math.round(value)),
    UNITS[unit] ?? 'B',
  ]
}

/** 5.4 MB */
export function bytes(amount: number | bigint): string {
  return sized(amount).join('\u00a0')
}

/** 5.4 MB/s */
export function rate(perSecond: number): string {
  return `${bytes(perSecond)}/s`
}
