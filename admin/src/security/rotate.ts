'use client'
// A new token, and this browser logged in by it before its old session ends.
import { useState } from 'react'
import { useAct } from '../components/toast'
import { useTryNow } from '../live/live'
import { panel, tokens } from '../live/services'
import { setStaying } from '../live/stay'

export interface Rotation {
  readonly busy: string | false
  /** The new token, in the memory of this page alone; '' for none. */
  readonly secret: string
  rotate(graceSeconds: number, done: () => void): void
  forget(): void
}

export function useRotation(): Rotation {
  const [secret, setSecret] = useState('')
  const { busy, run } = useAct()
  const tryNow = useTryNow()
  const rotate = (graceSeconds: number, done: () => void) =>
    run(
      'Rotating',
      async () => {
        setStaying(true)
        try {
          const before = await panel.listSessions({})
          const grace = graceSeconds > 0 ? { grace: { seconds: BigInt(graceSeconds) } } : {}
          const answer = await tokens.rotateToken(grace)
          setSecret(answer.secret)
          await loginAgain(answer.secret, before.sessions.find(({ isYou }) => isYou)?.id)
          return answer.toldClients.length
        } finally {
          setStaying(false)
          tryNow()
        }
      },
      told => {
        done()
        return {
          text:
            told === 0
              ? 'The token is a new one'
              : `The token is a new one; ${told} connected ${told === 1 ? 'machine is' : 'machines are'} sent it`,
        }
      },
    )
  return { busy, secret, rotate, forget: () => setSecret('') }
}

/** The session of the old token would end with it. A failure is no harm: the login page asks. */
async function loginAgain(token: string, old: string | undefined): Promise<void> {
  try {
    await panel.login({ proof: { case: 'token', value: token } })
    if (old !== undefined) await panel.endSessions({ ids: [old] })
  } catch {
    // The new token is shown; it logs in.
  }
}
