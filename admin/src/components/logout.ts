'use client'
// The end of this browser's session.
import { createClient } from '@connectrpc/connect'
import { PanelService } from '@pbt/proto/admin/v1'
import { useQueryClient } from '@tanstack/react-query'
import { useCallback } from 'react'
import { forgetLast } from '../live/last'
import { transport } from '../live/transport'

/** Ends the session and forgets all that was shown. */
export function useLogout(): () => void {
  const queries = useQueryClient()
  return useCallback(() => {
    const gone = () => {
      forgetLast()
      // Else the page that is left keeps it once more.
      queries.clear()
      location.assign('/login')
    }
    createClient(PanelService, transport).logout({}).then(gone, gone)
  }, [queries])
}
