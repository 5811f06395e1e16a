// tunnels.yaml on the disk: read when it has changed, written as a whole, and its mistakes kept for those who ask.
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { writeWhole } from '../config/stored.ts'
import { Failure } from '../failure.ts'
import type { Entry, TunnelList } from '../tunnels/tunnel-list.ts'
import type { Change, Store } from '../tunnels/verbs.ts'
import { editTunnels, MAX_CHARS, mistakeLines, parseTunnels } from './tunnels-file.ts'

/** Of characters that take four bytes each. */
const MOST_BYTES = 4 * MAX_CHARS

/** What tells a file that was changed from the one before; '' when there is none. */
export function stampOf(path: string): string {
  try {
    // Looked at each second: an error would cost more than the look.
    const found = statSync(path, { throwIfNoEntry: false })
    return found === undefined ? '' : `${found.mtimeMs}.${found.size}.${found.ino}`
  } catch {
    return ''
  }
}

/** The tunnels in a file; none when there is no file. Throws Failure `usage` that names every mistake with its line. */
export function readTunnels(path: string): readonly Entry[] {
  const { entries, faults } = readRight(path)
  if (faults.length === 0) return entries
  throw new Failure('usage', faults.join('\n'), { cure: `mend ${path}; it is read again when it changes` })
}

/** Those that are right, and a line for each mistake. Throws Failure `usage` when the file cannot be read. */
function readRight(path: string): { entries: readonly Entry[]; faults: readonly string[] } {
  const { entries, mistakes } = parseTunnels(textOf(path), dirname(path))
  return { entries, faults: mistakeLines(path, mistakes) }
}

/** Of one process. */
export class FileStore implements Store {
  /** What is wrong with the file, a line each; none when it is in force. */
  faults: readonly string[] = []
  readonly path: string
  private readonly list: () => TunnelList
  /** Of what is in force. */
  private stamp = ''
  /** Of what was seen last: a file is read once nobody is writing it any more. */
  private seen = ''

  /** `list`: where it comes into force. */
  constructor(path: string, list: () => TunnelList) {
    this.path = path
    this.list = list
  }

  /** What to begin with: the tunnels without mistakes, which are in `faults`. */
  first(): readonly Entry[] {
    this.seen = this.stamp = stampOf(this.path)
    try {
      const { entries, faults } = readRight(this.path)
      this.faults = faults
      return entries
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      this.faults = error.message.split('\n')
      return []
    }
  }

  /** To be called now and then: puts into force what was changed by hand and is whole. True when there is something to tell. */
  look(): boolean {
    const now = stampOf(this.path)
    const isQuiet = now === this.seen
    this.seen = now
    if (!isQuiet || now === this.stamp) return false
    try {
      this.refresh()
    } catch {
      // Kept in faults.
    }
    return true
  }

  refresh(): void {
    const now = stampOf(this.path)
    if (now === this.stamp) {
      if (this.faults.length > 0) throw this.mistaken()
      return
    }
    this.seen = this.stamp = now
    if (now === '') {
      this.faults = [`${this.path} is gone; its tunnels go on until there is one again, an empty one for none`]
      return
    }
    try {
      const entries = readTunnels(this.path)
      this.faults = []
      this.list().set(entries)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      this.faults = error.message.split('\n')
      throw this.mistaken()
    }
  }

  keep(change: Change): readonly Entry[] {
    const text = editTunnels(textOf(this.path), change)
    writeWhole(realPath(this.path), text)
    this.seen = this.stamp = stampOf(this.path)
    this.faults = []
    return readTunnels(this.path)
  }

  private mistaken(): Failure {
    return new Failure('usage', `nothing can be changed: ${this.faults.join('\n')}`, {
      cure: `mend ${this.path} first`,
    })
  }
}

/** A link to a file elsewhere stays one. */
function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

function textOf(path: string): string {
  try {
    const found = statSync(path)
    // Reading a pipe would wait for its writer.
    if (!found.isFile()) throw new Error('it is no file')
    if (found.size > MOST_BYTES) throw new Error(`it has ${found.size} bytes, more than ${MOST_BYTES}`)
    return readFileSync(path, 'utf8')
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return ''
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `cannot be read: ${reason}`
    const lines = mistakeLines(path, [
      { line: 1, message, cure: 'it has to be a list of tunnels that this user may read' },
    ])
    throw new Failure('usage', lines.join('\n'), { cure: `mend ${path}; it is read again when it changes`, cause })
  }
}
