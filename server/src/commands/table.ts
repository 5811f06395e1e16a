// Lists for people: columns as wide as what stands in them.

const GAP = '  '

/** The first row is the head. The last column ends where it ends. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)))
  const line = (row: readonly string[]) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(GAP)
  return rows.map(row => line(row).trimEnd()).join('\n')
}

/** `2026-11-28 14:03`, in the zone of the process. */
export function timeText(time: Date): string {
  const two = (number: number) => String(number).padStart(2, '0')
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`
}
