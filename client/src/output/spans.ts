// Lines of styled text, cut or wrapped to the columns of a terminal.
import { cellsOf, clip } from './text.ts'

/** What a terminal shows with one SGR code. */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'
/** Safe text in one style. */
export type Span = readonly [text: string, style?: Style]

const SGR: Record<Style, number> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 }

/** One line of spans, cut to the columns; SGR sequences take no cells. */
export function render(line: readonly Span[], columns: number, isColored: boolean): string {
  let left = columns
  let text = ''
  for (const [part, style] of line) {
    const fitting = clip(part, left)
    left -= cellsOf(fitting)
    text += isColored && style !== undefined && fitting !== '' ? `\x1b[${SGR[style]}m${fitting}\x1b[0m` : fitting
  }
  return text
}

/** A word, or the blanks between two. */
const PIECE = /\s+|\S+/g
/** A quoted command too. */
const WHOLE_PIECE = /\s+|[("]*"[^"]*"\S*|\S+/g

/**
 * One line of spans as as many as it takes, each at most `columns` wide: broken between words, and within those that are longer
 * than a line, unless they stay whole, to be copied. Lines after the first begin with `indent` blanks, where there is room for that.
 */
export function wrap(line: readonly Span[], columns: number, indent: number, isWhole = false): Span[][] {
  const width = Math.max(1, columns)
  const margin = indent < width / 2 ? indent : 0
  const lines: Span[][] = [[]]
  let left = width
  const breakLine = () => {
    lines.push(margin > 0 ? [[' '.repeat(margin)]] : [])
    left = width - margin
  }
  const put = (text: string, style: Style | undefined) => {
    if (text === '') return
    const current = lines.at(-1) ?? []
    const before = current.at(-1)
    if (before !== undefined && before[1] === style) current[current.length - 1] = spanOf(before[0] + text, style)
    else current.push(spanOf(text, style))
    left -= cellsOf(text)
  }
  for (const [text, style] of line) {
    for (const [piece] of text.matchAll(isWhole ? WHOLE_PIECE : PIECE)) {
      const isBlank = piece.trim() === ''
      if (cellsOf(piece) <= left) put(piece, style)
      else if (isBlank) breakLine()
      else {
        if (cellsOf(piece) <= width - margin || isWhole) breakLine()
        if (isWhole) {
          put(piece, style)
          continue
        }
        for (let rest = piece; rest !== ''; ) {
          if (left < cellsOf(firstOf(rest)) && left < width - margin) breakLine()
          const part = beginningOf(rest, left)
          put(part, style)
          rest = rest.slice(part.length)
          if (rest !== '') breakLine()
        }
      }
    }
  }
  return lines
}

function spanOf(text: string, style: Style | undefined): Span {
  return style === undefined ? [text] : [text, style]
}

function firstOf(text: string): string {
  return String.fromCodePoint(text.codePointAt(0) ?? 0)
}

/** As much of a text as goes into so many cells; one character at least. */
function beginningOf(text: string, cells: number): string {
  let fitting = ''
  let left = cells
  for (const character of text) {
    left -= cellsOf(character)
    if (left < 0 && fitting !== '') break
    fitting += character
    if (left <= 0) break
  }
  return fitting
}
