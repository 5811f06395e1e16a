// Lists for people: columns as wide as what stands in them, as many as the terminal is wide.

const GAP = '  '
/** Of what stands below a row, because there was no room in it. */
const INDENT = '    '

/**
 * The first row is the head. The last column ends where it ends. In a terminal of so many columns, those that have no room
 * stand below their row, each with its head.
 */
export function table(rows: readonly (readonly string[])[], columns?: number): string {
  const [head = []] = rows
  const widths = head.map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)))
  const beside = fitting(widths, columns)
  const line = (row: readonly string[]) => row.slice(0, beside).map((cell, column) => cell.padEnd(widths[column] ?? 0))
  return rows
    .flatMap((row, index) => {
      const below =
        index === 0 ? [] : row.slice(beside).map((cell, column) => [head[beside + column] ?? '', cell] as const)
      return [
        line(row).join(GAP).trimEnd(),
        ...below.filter(([, cell]) => cell !== '').map(([name, cell]) => `${INDENT}${name.toLowerCase()}: ${cell}`),
      ]
    })
    .join('\n')
}

/** How many of the first columns have room; one always. */
function fitting(widths: readonly number[], columns: number | undefined): number {
  if (columns === undefined) return widths.length
  let cells = 0
  const full = widths.findIndex((width, column) => {
    cells += width + (column === 0 ? 0 : GAP.length)
    return cells > columns
  })
  return full === -1 ? widths.length : Math.max(1, full)
}

/** `2026-11-28 14:03`, in the zone of the process. */
export function timeText(time: Date): string {
  const two = (number: number) => String(number).padStart(2, '0')
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}`
}
