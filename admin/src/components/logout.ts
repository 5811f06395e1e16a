'use client'
// The end of this browser's session.
import { Code, createClient } from '@connectrpc/connect'
import { PanelService } from '@pbt/proto/admin/v1'
import { useQueryClient } from '@tanstack/react-query'
import { useCallback } from 'react'
import { forgetLast } from '../live/last'
import { transport, troubleOf } from '../live/transport'
import { sentence } from '../words/sentence'
import { useSay } from './toast'

/** Ends the session and forgets all that was shown; says so when the server could not be asked to end it. */
export function useLogout(): () => void {
  const queries = useQueryClient()
  const say = useSay()
  return useCallback(() => {
    const gone = () => {
      forgetLast()
      // Else the page that is left keeps it once more.
      queries.clear()
      location.assign('/login')
    }
    createClient(PanelService, transport)
      .logout({})
      .then(gone, error => {
        const { code, what, cure } = troubleOf(error)
        // The session is over already.
        if (code === Code.Unauthenticated) gone()
        else say({ text: `You are still logged in. ${[what, cure].filter(Boolean).map(sentence).join(' ')}` })
      })
  }, [queries, say])
}
