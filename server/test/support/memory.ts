// What a program takes of the machine, as the system tells it.
import { readFileSync } from 'node:fs'
import type { Program } from './programs.ts'

/** Resident memory in MiB. */
export function memoryMib({ pid }: Program): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
}

/** Milliseconds of CPU that a process has used, to the hundredth of a second. */
export function cpuMs(pid: number): number {
  const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
  const [user, system] = fields.split(' ').slice(11, 13)
  return (Number(user) + Number(system)) * 10
}
