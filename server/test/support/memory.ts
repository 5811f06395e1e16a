// What a program takes of the machine, as the system tells it.
import { readFileSync } from 'node:fs'
import type { Program } from './programs.ts'

/** Resident memory in MiB. */
export function memoryMib({ pid }: Program): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
}
