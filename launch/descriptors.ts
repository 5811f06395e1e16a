// How many descriptors the system gives this process.
import { readFileSync } from 'node:fs'

/** Where it cannot be told: what most systems give at least, once Node has raised the limit to the hard one. */
const USUAL = 4_096

/** The limit in force; Node raises it to the hard one when it starts. */
export function descriptorLimit(): number {
  try {
    const found = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return found === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(found ?? USUAL)
  } catch {
    return USUAL
  }
}
