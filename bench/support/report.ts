// A benchmark's table, on the terminal and dated in bench/results/.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeMachine, ROOT } from './machine.ts'

export class Report {
  private readonly name: string
  private readonly lines: string[] = []

  constructor(name: string, what: string) {
    this.name = name
    this.say(`# ${name}: ${what}`)
    this.say('')
    this.say(
      `${new Date().toISOString().slice(0, 10)}, ${describeMachine()}. Figures are this machine's; read the ratios.`,
    )
  }

  table(title: string, columns: readonly string[], rows: readonly (readonly string[])[]): void {
    this.say(`\n## ${title}\n`)
    this.say(`| ${columns.join(' | ')} |`)
    this.say(`|${columns.map(() => '---').join('|')}|`)
    for (const row of rows) this.say(`| ${row.join(' | ')} |`)
  }

  say(line: string): void {
    this.lines.push(line)
    process.stdout.write(`${line}\n`)
  }

  /** Writes the file; a later run of the same day replaces it. */
  save(): void {
    const file = join(ROOT, 'bench/results', `${new Date().toISOString().slice(0, 10)}-${this.name}.md`)
    writeFileSync(file, `${this.lines.join('\n')}\n`)
  }
}

export const mega = (bytes: number): string => (bytes / 1e6).toFixed(0)
export const milli = (ms: number): string => ms.toFixed(2)
export const ratio = (ours: number | undefined, theirs: number | undefined): string =>
  ours === undefined || theirs === undefined || theirs === 0 ? '-' : (ours / theirs).toFixed(2)
