// Whether a newer process serves the same data directory: then one that stops can leave the visitors to it at once.
import { randomBytes } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** In the data directory: the mark of the process that became ready last. A number of the process would not do, it is the
 *  same in every container. */
const FILE = 'serving'

/** Tells a process that stops whether a newer one serves its data directory. */
export interface Succession {
  /** Whether another process became ready after this one. */
  hasSuccessor(): boolean
  /** Takes the mark away, if it is this process's. */
  end(): void
}

/** Marks this process as the one that serves. */
export function serve(dataDir: string): Succession {
  const file = join(dataDir, FILE)
  const mark = randomBytes(8).toString('hex')
  writeFileSync(file, mark)
  const found = () => {
    try {
      return readFileSync(file, 'utf8')
    } catch {
      return mark // taken away: no other process is there
    }
  }
  return {
    hasSuccessor: () => found() !== mark,
    end: () => {
      if (found() === mark) rmSync(file, { force: true })
    },
  }
}
