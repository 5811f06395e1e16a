// A session for one errand: connected, done, and gone without a trace on the server.
import { PROTOCOL_MAJOR, PROTOCOL_MINOR, systemClock } from '@pbt/proto'
import { Feature, type Welcome } from '@pbt/proto/tunnel/v1'
import { Failure } from '../failure.ts'
import { type DialOptions, dial, type HelloInit, type Line } from './dial.ts'
import { NOT_LOOKED } from './look-outside.ts'
import { GOODBYE_MS, Session, type SessionEvents } from './session.ts'

/** Who does it: the purpose is part of the client's id, so that it replaces nobody but itself. */
export interface ErrandOf {
  readonly agent: string
  readonly machineId: string
  readonly label: string
  /** A word, such as `init`. */
  readonly purpose: string
}

/**
 * Connects, does the errand and says goodbye. Rejects with the Failure that kept it from connecting or ended the session, or what the
 * errand throws. The errand has `limitMs`.
 */
export async function onErrand<T>(
  options: DialOptions,
  { purpose, ...who }: ErrandOf,
  limitMs: number,
  errand: (session: Session, welcome: Welcome, line: Line) => Promise<T> | T,
): Promise<T> {
  const hello: HelloInit = {
    ...{ major: PROTOCOL_MAJOR, minor: PROTOCOL_MINOR, ...who },
    clientId: `${who.machineId}.${purpose}`,
    generation: BigInt(Date.now()),
    features: [Feature.ERRAND],
  }
  const over = Promise.withResolvers<never>()
  const done = Promise.withResolvers<T>()
  const left = Promise.withResolvers<void>()
  over.promise.catch(() => {})
  const gone = (failure: Failure) => {
    over.reject(failure)
    left.resolve()
  }
  let session: Session | undefined
  const line = dial(options, hello, {
    onWelcome: (welcome, line) => {
      session = new Session(welcome, options.clock, eventsOf(gone))
      session.begin(line)
      Promise.try(errand, session, welcome, line).then(done.resolve, done.reject)
    },
    onBatch: batch => session?.receive(batch),
    onOver: gone,
  })
  // From the welcome on; before that the dial has its own limits.
  const late = systemClock.after(limitMs, () =>
    gone(new Failure('silent', `the server did not answer within ${limitMs / 1_000} s`)),
  )
  try {
    return await Promise.race([done.promise, over.promise])
  } finally {
    late.clear()
    session?.sayGoodbye(`done: ${purpose}`)
    const timer = systemClock.after(session === undefined ? 0 : GOODBYE_MS, left.resolve)
    await left.promise
    timer.clear()
    session?.end('shutdown', 'the errand is done')
    line.hangUp()
  }
}

function eventsOf(gone: (failure: Failure) => void): SessionEvents {
  return {
    onOpened: () => {},
    onRefused: () => {},
    onClosed: () => {},
    // It would be stored by a process that keeps tunnels; this one has done its errand by then.
    onNewToken: () => 'it was sent to a command that is over',
    onStart: () => {},
    // It never said that it looks.
    onLook: async () => NOT_LOOKED,
    onGoAway: (_session, { code, message }) =>
      gone(new Failure(code, message || `the server ended the session (${code})`)),
    onSilent: () => gone(new Failure('silent', 'the server did not respond')),
    onBroken: (_session, { code, message, cure }) => gone(new Failure(code, message, { cure })),
  }
}
