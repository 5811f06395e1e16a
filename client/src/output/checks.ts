// Checks as they come: a line each, with what to do below it.
import type { Outlet } from '../../../launch/outlet.ts'
import { jsonLine } from './json.ts'
import { render, type Span, wrap } from './spans.ts'
import { safe } from './text.ts'

/** What a step found. */
export interface ShownCheck {
  readonly step: string
  readonly state: 'ok' | 'failed' | 'not-checked'
  readonly message: string
  readonly cure: string
}

const STYLE = { ok: 'green', failed: 'red', 'not-checked': 'yellow' } as const
const STATE_COLUMNS = 12
const STEP_COLUMNS = 11
const MOST_COLUMNS = 100_000
/** In less than three times the columns before them, messages begin again at the left. */
const LEAST_SHARE = 3
const INDENT_CELLS = 2

/** Writes each to stdout: a JSON object, or words. */
export function checkOutput(options: {
  readonly stdout: Outlet
  readonly isJson: boolean
  readonly isColored: boolean
}): (check: ShownCheck) => void {
  const { stdout, isJson, isColored } = options
  return ({ step, state, message, cure }) => {
    if (isJson) {
      stdout.write(jsonLine('check', Date.now(), { step, state, message, cure }))
      return
    }
    const head: Span[] = [
      [state.padEnd(STATE_COLUMNS), STYLE[state]],
      [`${step.padEnd(STEP_COLUMNS)} ${safe(message)}`],
    ]
    const columns = (stdout.isTTY ? stdout.columns : undefined) ?? MOST_COLUMNS
    const beside = STATE_COLUMNS + STEP_COLUMNS + 1
    const isNarrow = columns < beside * LEAST_SHARE
    const indent = isNarrow ? INDENT_CELLS : beside
    const toDo = `${' '.repeat(isNarrow ? INDENT_CELLS : STATE_COLUMNS)}to do: ${safe(cure)}`
    const lines: Span[][] = cure === '' ? [head] : [head, [[toDo]]]
    const wrapped = lines.flatMap(line => wrap(line, columns, indent, true))
    stdout.write(wrapped.map(line => `${render(line, MOST_COLUMNS, isColored)}\n`).join(''))
  }
}
