// The issuing process: one order, made by the library, then the end. It has no network, no files, no keys and no environment; what the
// library prints goes where the server does not read it as a message.
import { createInterface } from 'node:readline'
import { order } from './greenlock.ts'
import type { FromRunner, Job, ToRunner, Verb } from './messages.ts'

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

const waiting = new Map<number, Waiting>()
let asked = 0

function say(message: FromRunner, then?: () => void): void {
  // A line of the library's need not have ended.
  process.stdout.write(`\n${JSON.stringify(message)}\n`, then)
}

function ask(verb: Verb, argument: string): Promise<unknown> {
  asked += 1
  const id = asked
  say({ pbt: true, kind: 'ask', id, verb, argument })
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }))
}

function end(message: FromRunner): void {
  say(message, () => process.exit(0))
}

function failed(error: unknown): void {
  end({ pbt: true, kind: 'failed', message: error instanceof Error ? error.message : String(error) })
}

async function run(job: Job): Promise<void> {
  try {
    await order(job, ask)
    end({ pbt: true, kind: 'finished' })
  } catch (error) {
    failed(error)
  }
}

process.on('uncaughtException', failed)
process.on('unhandledRejection', failed)
const lines = createInterface({ input: process.stdin })
lines.on('line', line => {
  const message = JSON.parse(line) as ToRunner
  if (message.kind === 'job') {
    void run(message.job)
    return
  }
  const asker = waiting.get(message.id)
  waiting.delete(message.id)
  if (message.kind === 'done') asker?.resolve(message.value)
  else asker?.reject(new Error(message.message))
})
// The server has gone: nobody needs a certificate.
lines.once('close', () => process.exit(0))
