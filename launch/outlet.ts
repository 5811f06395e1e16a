// A standard stream that never holds the program up: whatever becomes of its reader, writing neither waits nor fails nor keeps more
// than a bound, and what is not read is counted. Traffic is what the programs are for; words about it come after.
import { fstatSync, writeSync } from 'node:fs'
import { Writable } from 'node:stream'
import type { WriteStream } from 'node:tty'
import { wrapWords } from './words.ts'

/** What may wait for a reader: some seconds of a busy program, and little beside its other memory. */
export const MAX_WAITING_BYTES = 256 * 1024

/** Its lines are dropped while more than MAX_WAITING_BYTES wait, the disk is full, or the reader has gone. */
export class Outlet {
  /** Lines dropped since the start. */
  dropped = 0
  /** The reader has gone, or was waited for long enough: nothing is written any more. */
  isClosed = false
  /** Makes the line that tells of lines dropped, once there is room again. */
  note: ((lines: number) => string) | undefined
  private readonly stream: WriteStream
  /** Undefined for what Node writes to without waiting. */
  private readonly file: number | undefined
  /** Dropped and not told of. */
  private untold = 0
  /** The last write to the file ended within a line. */
  private isTorn = false
  private isExcused = false

  /** `stream`: process.stdout or process.stderr. */
  constructor(stream: WriteStream & { readonly fd: number }) {
    this.stream = stream
    this.file = isFile(stream) ? stream.fd : undefined
    // A closed pipe, a terminal that was hung up. A reader that has gone is no reason to end what others use.
    stream.on('error', () => {
      this.isClosed = true
    })
    stream.on('drain', () => this.tell())
    if (stream.isTTY) doNotBlock(stream)
  }

  get isTTY(): boolean {
    return this.stream.isTTY === true
  }

  /** Undefined when there is no terminal or it does not know; some say 0 then. */
  get columns(): number | undefined {
    return this.stream.columns || undefined
  }

  get rows(): number | undefined {
    return this.stream.rows || undefined
  }

  /** Something waits for the reader: what can be left out should be. */
  get writableNeedDrain(): boolean {
    return this.stream.writableNeedDrain
  }

  /** Something of what was written will not be read; not asked for any more after `leave`. */
  get hasLost(): boolean {
    return !this.isExcused && (this.isClosed || this.dropped > 0)
  }

  on(event: 'resize', listener: () => void): void {
    this.stream.on(event, listener)
  }

  off(event: 'resize', listener: () => void): void {
    this.stream.off(event, listener)
  }

  /** Takes whole lines, or drops them: false. `isMinor`: they leave half of the room to others. */
  write(text: string, isMinor = false): boolean {
    if (this.file !== undefined) return this.append(this.file, text)
    const most = isMinor ? MAX_WAITING_BYTES / 2 : MAX_WAITING_BYTES
    if (this.isClosed || this.stream.writableLength > most) return this.drop(text)
    this.stream.write(text)
    return true
  }

  /** Takes lines for people: in a terminal they are broken between words. */
  say(text: string): boolean {
    return this.write(this.isTTY ? wrapWords(text, this.columns) : text)
  }

  /** The same as a stream, for callers that need one. */
  asStream(): Writable {
    return new Writable({
      decodeStrings: false,
      write: (chunk, _encoding, done) => {
        this.write(String(chunk))
        done()
      },
    })
  }

  /**
   * Resolves when all has been read, or never will be. For as long as it takes: what a command says is all that it is for, and
   * its reader may be a person with a pager.
   */
  async flush(): Promise<void> {
    if (this.file !== undefined || this.isClosed) return
    await new Promise<void>(resolve => {
      this.stream.write('', () => resolve())
      this.stream.once('close', resolve)
    })
  }

  /** Resolves likewise, after `limitMs` at the latest, for a program that was there for something else. */
  async leave(limitMs: number): Promise<void> {
    this.isExcused = true
    const limit = Promise.withResolvers<void>()
    const timer = setTimeout(limit.resolve, limitMs)
    await Promise.race([this.flush(), limit.promise])
    clearTimeout(timer)
    this.isClosed = true
  }

  /** Files are written at once: their disk takes it, or has no room. */
  private append(file: number, text: string): boolean {
    const note = this.untold > 0 ? (this.note?.(this.untold) ?? '') : ''
    const bytes = Buffer.from((this.isTorn ? '\n' : '') + note + text)
    let written = 0
    try {
      while (written < bytes.length) written += writeSync(file, bytes, written)
    } catch {
      this.isTorn ||= written > 0
      return this.drop(text)
    }
    this.isTorn = false
    this.untold = 0
    return true
  }

  private drop(text: string): false {
    const lines = Math.max(1, text.split('\n').length - 1)
    this.dropped += lines
    this.untold += lines
    return false
  }

  private tell(): void {
    const { untold, note } = this
    if (untold === 0 || this.isClosed) return
    this.untold = 0
    if (note !== undefined) this.stream.write(note(untold))
  }
}

function isFile(stream: WriteStream & { readonly fd: number }): boolean {
  if (stream.isTTY) return false
  try {
    const stat = fstatSync(stream.fd)
    return !stat.isFIFO() && !stat.isSocket()
  } catch {
    return false
  }
}

/**
 * Node writes to terminals and waits: with one that is stopped (Ctrl-S, a pager, a terminal behind a line that is down) the whole
 * program would stand still, and its link with it. It has no public way to say otherwise, so where this one is missing all
 * is as Node has it. What else uses the terminal finds it as it was.
 */
function doNotBlock(stream: WriteStream): void {
  const { _handle: handle } = stream as { _handle?: { setBlocking?: (isBlocking: boolean) => void } }
  if (typeof handle?.setBlocking !== 'function') return
  handle.setBlocking(false)
  process.once('exit', () => handle.setBlocking?.(true))
}
