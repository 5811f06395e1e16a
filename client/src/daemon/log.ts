// The daemon's log: a file that makes room by itself.
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** From here on the file is set aside; that before it goes. */
const MAX_BYTES = 5 * 1024 * 1024

/** Where what was set aside is. */
export function asideOf(path: string): string {
  return `${path}.1`
}

/** Never throws and never waits: words come after traffic, also on a full disk. */
export class LogFile {
  private readonly path: string
  private readonly mostBytes: number
  private file: number | undefined
  private bytes = 0
  /** The full file could not be set aside, and goes on growing. */
  private isStuck = false

  constructor(path: string, mostBytes = MAX_BYTES) {
    this.path = path
    this.mostBytes = mostBytes
    this.open()
  }

  /** Whole lines. */
  write(text: string): void {
    try {
      if (this.bytes >= this.mostBytes) this.turn()
      if (this.file === undefined) this.open()
      if (this.file !== undefined) this.bytes += writeSync(this.file, text)
    } catch {
      // A full disk: what does not fit is lost.
    }
  }

  close(): void {
    if (this.file !== undefined) closeSync(this.file)
    this.file = undefined
  }

  /** Where it cannot be, as in a directory that is not writable any more, the file is written on. It says so once. */
  private turn(): void {
    try {
      renameSync(this.path, asideOf(this.path))
    } catch (error) {
      this.bytes = 0 // tried again when as much more was written
      if (this.isStuck || this.file === undefined) return
      this.isStuck = true
      const reason = error instanceof Error ? error.message : String(error)
      writeSync(
        this.file,
        `${new Date().toISOString()} pbt: this log is full and cannot be renamed: ${reason}; it goes on growing here\n`,
      )
      return
    }
    this.isStuck = false
    this.close()
    this.open()
  }

  private open(): void {
    try {
      this.file = openLog(this.path)
      this.bytes = fstatSync(this.file).size
    } catch {
      this.file = undefined
    }
  }
}

/** A descriptor that appends to it. Throws. */
export function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  return openSync(path, 'a', 0o600)
}

/** Its newest lines, `most` at most, the oldest first; none when there is no log. */
export function lastLines(path: string, most: number): string[] {
  const lines = [asideOf(path), path].flatMap(each => textOf(each).split('\n').slice(0, -1))
  return lines.slice(-most)
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
