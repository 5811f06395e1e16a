// What failed in a run of tests, in a few lines each, for its end: a log that was cut still names every failure.
import { relative } from 'node:path'
import type { TestEvent } from 'node:test/reporters'
import { inspect } from 'node:util'

const ERROR_LINES = 3
/** An error may hold a whole page. */
const MAX_LINE_CHARS = 300

/** Collects failures in the order in which they are told. */
export class Failures {
  private readonly found: string[] = []

  note({ type, data }: TestEvent): void {
    if (type !== 'test:fail' || isExpected(data.todo)) return
    const { error } = data.details
    // That one of those inside it failed is told for that one.
    if ('failureType' in error && error.failureType === 'subtestsFailed') return
    const file = data.file === undefined ? '' : `${relative(process.cwd(), data.file)}: `
    this.found.push(`${file}${data.name}`, ...linesOf(error.cause ?? error).map(line => `    ${line}`))
  }

  /** Nothing when nothing failed. */
  get lines(): readonly string[] {
    return this.found.length === 0 ? [] : ['failed, one after the other:', ...this.found.map(line => `  ${line}`)]
  }
}

function isExpected(todo: string | boolean | undefined): boolean {
  return todo !== undefined && todo !== false
}

/** The first that say something. */
function linesOf(error: unknown): string[] {
  const text = typeof error === 'string' ? error : inspect(error, { colors: false })
  return text
    .split('\n')
    .filter(line => line.trim() !== '')
    .slice(0, ERROR_LINES)
    .map(line => line.slice(0, MAX_LINE_CHARS))
}
