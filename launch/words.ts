// Text for people, broken between words to the width of a terminal; what somebody may want to copy stays whole.

/** In less, words of the hanging part would stand alone on their lines. */
const LEAST_COLUMNS = 20
/** A quoted command with what follows it at once, one given as an example, or a word: none is broken. */
const PIECE = /[("]*"[^"]*"\S*|(?<=for example: )pbt(?:-server)? [^"()]+(?=$| \()|\S+/g
/** Lines that are there to be copied: a command, an address or a token alone. */
const COPIED = /^(?:\s+|Next: )(?:(?:pbt|pbt-server|sudo|npx|eval)\s.*|\S+)$/
/** Up to where the last column of a line begins. */
const HEAD = /^.*\S {2,}(?=\S)/
/** Without columns; deeper than what the line itself begins with. */
const HANG = 2

/**
 * Each line as as many as it takes. Lines after the first stand below the line's last column where that leaves room, else a little
 * deeper than its beginning. A word or quoted command longer than a line stays in one piece: the terminal breaks it, and what is
 * copied from there is whole.
 */
export function wrapWords(text: string, columns: number | undefined): string {
  if (columns === undefined || columns < LEAST_COLUMNS) return text
  return text
    .split('\n')
    .map(line => (cellsIn(line) <= columns || COPIED.test(line) ? line : wrapLine(line, columns)))
    .join('\n')
}

function wrapLine(line: string, columns: number): string {
  const begin = line.length - line.trimStart().length
  const column = HEAD.exec(line)?.[0].length ?? 0
  const hang = column > 0 && column <= columns / 3 ? column : begin + HANG
  const lines: string[] = []
  let current = ''
  let end = 0
  for (const { 0: piece, index } of line.matchAll(PIECE)) {
    const gap = line.slice(end, index)
    end = index + piece.length
    if (current.trim() !== '' && cellsIn(current + gap + piece) > columns) {
      lines.push(current)
      current = ' '.repeat(hang + cellsIn(piece) <= columns ? hang : begin + HANG) + piece
    } else current += gap + piece
  }
  return [...lines, current].join('\n')
}

function cellsIn(text: string): number {
  return [...text].length
}
