// Checks as they come: a line each, with what to do below it.
import type { Outlet } from '../../../launch/outlet.ts'
import { jsonLine } from './json.ts'
import { render, type Span } from './spans.ts'
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
/** Lines are left to the terminal to wrap: nothing of them is lost. */
const MOST_COLUMNS = 100_000

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
    const lines = cure === '' ? [head] : [head, [[`${' '.repeat(STATE_COLUMNS)}to do: ${safe(cure)}`]] as Span[]]
    stdout.write(lines.map(line => `${render(line, MOST_COLUMNS, isColored)}\n`).join(''))
  }
}
