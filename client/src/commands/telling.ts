// What commands that steer tell: an object a line for programs, a sentence for people.
import { EXIT, type ExitCode, exitCodeOf, Failure } from '../failure.ts'
import { jsonLine } from '../output/json.ts'
import { sentence } from '../output/sentence.ts'
import { formatDuration, safe } from '../output/text.ts'
import { ask, type Told } from '../tunnels/ask.ts'
import type { Request } from '../tunnels/control.ts'
import type { ClientEvent } from '../tunnels/events.ts'
import type { Context } from './command.ts'

/** What is under way may end within 10 s, and the server may answer as late as 15 s. */
const SILENCE_MS = 20_000

/** One event; `words`: for people, '' for none. */
export function tell(isJson: boolean, { stdout }: Context, event: { event: string } & Told, words: string): void {
  const { event: name, ...fields } = event
  if (isJson) stdout.write(jsonLine(name, Date.now(), fields))
  else if (words !== '') stdout.say(`pbt: ${words}\n`)
}

/** Sends the request to a process of the home, tells its answer, and says how the command ends. Throws Failure `not-running`. */
export async function steer(
  home: string,
  pid: number,
  request: Request,
  isJson: boolean,
  context: Context,
): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.stopped
  const answered = await ask(
    home,
    pid,
    request,
    line => {
      const { time: _time, ...event } = line
      if (event.event === 'error') exitCode = exitCodeOf(event.code as never)
      if (isJson) context.stdout.write(`${JSON.stringify(line)}\n`)
      else {
        const words = sentenceOf(event)
        if (words !== '') (event.event === 'error' ? context.stderr : context.stdout).say(`pbt: ${words}\n`)
      }
    },
    { silenceMs: SILENCE_MS },
  )
  if (answered === 'answered') return exitCode
  const what = answered === 'gone' ? 'has ended' : 'does not answer'
  throw new Failure('not-running', `process ${pid} ${what}`, { cure: 'look with "pbt status"' })
}

function sentenceOf(told: Told): string {
  const tunnel = safe(String(told.tunnel ?? ''))
  switch (told.event) {
    case 'kept':
      return `the daemon keeps ${tunnel === '' ? `the tunnel to ${safe(String(told.target))}` : tunnel} up from now on`
    case 'draining':
      return `stopping ${tunnel}: ${told.open} under way may end within ${formatDuration(Number(told.limitMs))}`
    case 'stopped':
      return `${tunnel} is stopped; "pbt tunnel start ${tunnel}" starts it again`
    case 'offline':
      return `there is no connection to the server yet: ${safe(String(told.reason))}; it goes on trying`
    case 'added':
      return ''
    default:
      return isClientEvent(told) ? sentence(told) : ''
  }
}

/** The process is of this version, or of one whose events have these fields too. */
function isClientEvent(told: Told): told is Told & ClientEvent {
  return ['online', 'waiting', 'removed', 'reconnecting', 'closed', 'error', 'target'].includes(String(told.event))
}
