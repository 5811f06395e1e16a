'use client'
// A new token; this browser stays logged in.
import { holdToken, useFreshToken } from '../components/fresh-token'
import { useAct } from '../components/toast'
import { tokens } from '../live/services'

export interface Rotation {
  readonly busy: string | false
  /** The new token, in the memory of this tab alone; '' for none. */
  readonly secret: string
  rotate(graceSeconds: number, done: () => void): void
  forget(): void
}

export function useRotation(): Rotation {
  const secret = useFreshToken()
  const { busy, run } = useAct()
  const rotate = (graceSeconds: number, done: () => void) =>
    run(
      'Rotating',
      async () => {
        const grace = graceSeconds > 0 ? { grace: { seconds: BigInt(graceSeconds) } } : {}
        const answer = await tokens.rotateToken(grace)
        holdToken(answer.secret)
        return answer.toldClients.length
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
  return { busy, secret, rotate, forget: () => holdToken('') }
}
