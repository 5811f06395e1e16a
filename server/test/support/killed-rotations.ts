// Rotations of the token whose process is killed in the middle: exactly one token has no end each time.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { hashToken } from '../../src/access/tokens.ts'
import { integrityOf, validTokensIn } from './database.ts'
import { ownerOf } from './owner.ts'
import { type Cleaner, Program, type RunningServer, restartServer, SERVER, startServer } from './programs.ts'

export interface KilledRotations {
  /** Those that had told the new token before they died. */
  readonly told: number
  readonly untold: number
}

/** Killed between none and so much of the time that a whole rotation takes. */
const LONGEST = 2

/**
 * `rounds` times: rotates through a running server, with and without grace in turns, and kills that after a moment of another length each
 * time; then looks at what is kept, with the server down and up again. Throws what is wrong.
 */
export async function killRotations(t: Cleaner, rounds: number, say = (_text: string) => {}): Promise<KilledRotations> {
  let server: RunningServer = await startServer(t)
  let [told, untold] = [0, 0]
  const begun = performance.now()
  await ownerOf(server).tokens.rotateToken({})
  const wholeMs = performance.now() - begun
  for (let round = 0; round < rounds; round++) {
    const grace = round % 2 === 0 ? {} : { grace: { seconds: 60n, nanos: 0 } }
    const rotating = ownerOf(server)
      .tokens.rotateToken(grace)
      .then(
        ({ secret }) => secret,
        () => undefined,
      )
    await sleep((LONGEST * wholeMs * round) / rounds)
    await server.program.end('SIGKILL')
    const secret = await rotating
    if (secret === undefined) untold++
    else told++
    judge(server.dataDir, round, secret)
    server = await restartServer(t, server, { ports: { https: server.https, http: server.http } })
    judge(server.dataDir, round, secret)
    say(`${round + 1}/${rounds}: ${secret === undefined ? 'not told' : 'told'}`)
  }
  await server.program.end()
  await byCommand(t, server.dataDir, rounds, say)
  return { told, untold }
}

/** The same by the command without a server, which opens the database itself. */
async function byCommand(t: Cleaner, dataDir: string, rounds: number, say: (text: string) => void): Promise<void> {
  const args = ['token', 'rotate', '--json', '--data-dir', dataDir]
  const whole = new Program(SERVER, args, {})
  t.after(() => whole.end('SIGKILL'))
  const begun = performance.now()
  await whole.exited
  const wholeMs = performance.now() - begun
  for (let round = 0; round < rounds; round++) {
    const command = new Program(SERVER, args, {})
    // Around its end, where it writes.
    await sleep(wholeMs * (0.6 + (0.5 * round) / rounds))
    await command.end('SIGKILL')
    const rotated = command.events.find(({ event }) => event === 'rotated')
    judge(dataDir, round, rotated === undefined ? undefined : String(rotated.token))
    say(`command ${round + 1}/${rounds}: ${rotated === undefined ? 'not told' : 'told'}`)
  }
}

/** `secret`: that was told, and has to be the one that is valid. */
function judge(dataDir: string, round: number, secret: string | undefined): void {
  const valid = validTokensIn(dataDir)
  assert.equal(valid.length, 1, `round ${round}: ${valid.length} tokens have no end`)
  if (secret !== undefined)
    assert.equal(valid[0], hashToken(secret).toString('hex'), `round ${round}: another one was told`)
  assert.equal(integrityOf(dataDir), 'ok')
}
