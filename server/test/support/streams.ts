// Long bodies that are made while they are sent and hashed while they are read.
import { createHash, type Hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Readable, Writable } from 'node:stream'

const PIECE = 64 * 1024

/** Bytes that differ from seed to seed and from piece to piece, cheap to make. */
function piece(seed: number, index: number, size: number): Buffer {
  const buffer = Buffer.alloc(size, `${seed}:${index};`)
  return buffer
}

/** Writes `bytes` bytes with a breath after each piece when `paceMs` is given, ends the stream, resolves with the hash. */
export async function send(stream: Writable, seed: number, bytes: number, paceMs = 0): Promise<string> {
  const hash = createHash('sha256')
  for (let sent = 0, index = 0; sent < bytes; index++) {
    const chunk = piece(seed, index, Math.min(PIECE, bytes - sent))
    sent += chunk.length
    hash.update(chunk)
    if (stream.destroyed) throw new Error('the stream was cut')
    if (!stream.write(chunk)) await drained(stream)
    if (paceMs > 0) await new Promise(resolve => setTimeout(resolve, paceMs))
  }
  stream.end()
  return hash.digest('hex')
}

/** The hash of what `send` writes. */
export function hashOf(seed: number, bytes: number): string {
  const hash = createHash('sha256')
  for (let sent = 0, index = 0; sent < bytes; index++) {
    const chunk = piece(seed, index, Math.min(PIECE, bytes - sent))
    sent += chunk.length
    hash.update(chunk)
  }
  return hash.digest('hex')
}

/** Reads to the end and resolves with hash and length; rejects when the stream was cut. */
export function receive(stream: Readable): Promise<{ hash: string; bytes: number }> {
  return new Promise((resolve, reject) => {
    const hash: Hash = createHash('sha256')
    let bytes = 0
    let isEnded = false
    stream.on('data', (chunk: Buffer) => {
      hash.update(chunk)
      bytes += chunk.length
    })
    stream.on('end', () => {
      isEnded = true
      resolve({ hash: hash.digest('hex'), bytes })
    })
    stream.on('error', reject)
    stream.on('aborted', () => reject(new Error(`cut after ${bytes} bytes`)))
    stream.on('close', () => {
      if (!isEnded) reject(new Error(`cut after ${bytes} bytes`))
    })
  })
}

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    const over = () => reject(new Error('the stream was cut'))
    stream.once('close', over)
    stream.once('drain', () => {
      stream.off('close', over)
      resolve()
    })
  })
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(match?.[1] ?? 0) * 1024
}

/**
 * Watches the memory of processes: the most each had at any time, and by how much that is more than `before`, which is what
 * they have now unless given. In bytes.
 */
export function watchMemory(pids: readonly number[], before: readonly number[] = pids.map(residentBytes)) {
  const most = pids.map(residentBytes)
  const timer = setInterval(() => {
    for (const [index, pid] of pids.entries()) most[index] = Math.max(most[index] ?? 0, residentBytes(pid))
  }, 50)
  timer.unref()
  const peaks = () => {
    clearInterval(timer)
    return most
  }
  return { peaks, growth: () => peaks().map((peak, index) => peak - (before[index] ?? 0)) }
}
