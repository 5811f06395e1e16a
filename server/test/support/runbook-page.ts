// deploy/README.md as it is walked: its blocks of commands, each with where it runs, and the records that it asks for.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './programs.ts'

const BLOCK = /<!-- (\w+): ([\w ]+)(?:; ([\w ]+))? -->\n```sh\n([\s\S]*?)```/g
/** Of a zone, as the page writes it: name, type and value. */
export const RECORD = /([\w*.-]+)\.\s+(A|NS|CNAME)\s+([\w.-]+?)\.?\s*$/

/** Commands, one on a line. */
export interface Block {
  readonly how: string
  readonly where: string
  readonly note: string
  readonly text: string
}

export class RunbookPage {
  readonly text = readFileSync(join(ROOT, 'deploy/README.md'), 'utf8')
  /** In order. */
  readonly blocks: readonly Block[] = blocksIn(this.text)

  /** The records that the part with this heading asks for, each as RECORD finds it. */
  recordsOf(heading: string): RegExpMatchArray[] {
    const [, list = ''] = this.text.slice(this.text.indexOf(heading)).split('```')
    return list.split('\n').flatMap(line => {
      const found = RECORD.exec(line)
      return found === null ? [] : [found]
    })
  }
}

function blocksIn(runbook: string): readonly Block[] {
  const found = [...runbook.matchAll(BLOCK)].map(([, how = '', where = '', note = '', text = '']) => ({
    ...{ how, where, note, text },
  }))
  assert.equal(found.length, runbook.split('```sh').length - 1, 'each block of commands says where it runs')
  return found
}
