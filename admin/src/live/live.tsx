'use client'
// What is live, for every page of this tab: the stream feeds the query cache, and pages read parts of it.
import { TransportProvider } from '@connectrpc/connect-query'
import { QueryClient, QueryClientProvider, skipToken, useQuery } from '@tanstack/react-query'
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react'
import { after, type Live } from './state'
import { type Contact, Stream } from './stream'
import { transport } from './transport'

const LIVE = ['live']
const CONTACT = ['contact']
const OPENING: Contact = { state: 'opening', heardAt: 0, nextTryAt: 0 }

const TryNow = createContext<() => void>(() => {})

/** For all pages, also those before the login: questions, without the stream. */
export function Questions({ children }: { children: ReactNode }) {
  const [queries] = useState(
    () => new QueryClient({ defaultOptions: { queries: { retry: 1, refetchOnWindowFocus: false, staleTime: 5_000 } } }),
  )
  return (
    <TransportProvider transport={transport}>
      <QueryClientProvider client={queries}>{children}</QueryClientProvider>
    </TransportProvider>
  )
}

/** For the pages behind the login: one stream, as long as one of them is shown. */
export function LiveProvider({ queries, children }: { queries: QueryClient; children: ReactNode }) {
  const [stream] = useState(
    () =>
      new Stream({
        onMessages: messages =>
          queries.setQueryData<Live>(LIVE, known => messages.reduce((live, message) => after(live, message), known)),
        onContact: contact => queries.setQueryData<Contact>(CONTACT, contact),
        number: () => queries.getQueryData<Live>(LIVE)?.number ?? 0n,
      }),
  )
  useEffect(() => {
    stream.start()
    return () => stream.stop()
  }, [stream])
  return <TryNow value={stream.tryNow}>{children}</TryNow>
}

/** A part of what is live; undefined before the first word. `select` has to be the same function each time, or cheap. */
export function useLive<T>(select: (live: Live) => T): T | undefined {
  const { data } = useQuery<Live, Error, T>({
    queryKey: LIVE,
    queryFn: skipToken,
    ...{ select, staleTime: Number.POSITIVE_INFINITY, gcTime: Number.POSITIVE_INFINITY, structuralSharing: false },
  })
  return data
}

/** How the stream stands. */
export function useContact(): Contact {
  const { data } = useQuery<Contact>({
    queryKey: CONTACT,
    queryFn: skipToken,
    ...{ staleTime: Number.POSITIVE_INFINITY, gcTime: Number.POSITIVE_INFINITY },
  })
  return data ?? OPENING
}

/** Opens the stream at once. */
export function useTryNow(): () => void {
  return useContext(TryNow)
}
