'use client'
// What is live, for every page of this tab: the stream feeds the query cache, and pages read parts of it.
import { TransportProvider } from '@connectrpc/connect-query'
import { QueryClient, QueryClientProvider, skipToken, useQuery } from '@tanstack/react-query'
import { createContext, type ReactNode, useContext, useEffect, useState, useSyncExternalStore } from 'react'
import { forgetLast, keepLast, readLast } from './last'
import { after, type Live } from './state'
import { type Contact, Stream } from './stream'
import { transport } from './transport'

const LIVE = ['live']
const CONTACT = ['contact']
const OPENING: Contact = { state: 'opening', heardAt: 0, nextTryAt: 0 }

const OneStream = createContext<Stream | undefined>(undefined)
const IsLost = createContext(false)

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
        onContact: contact => {
          queries.setQueryData<Contact>(CONTACT, contact)
          if (contact.state === 'logged-out') forgetLast()
        },
        number: () => queries.getQueryData<Live>(LIVE)?.number ?? 0n,
      }),
  )
  useBegin(stream, queries)
  return (
    <OneStream value={stream}>
      <LostProvider>{children}</LostProvider>
    </OneStream>
  )
}

/** Opens the stream, and shows what an earlier page knew; what is known is kept for the next one. */
function useBegin(stream: Stream, queries: QueryClient): void {
  useEffect(() => {
    const last = queries.getQueryData<Live>(LIVE) === undefined ? readLast() : undefined
    if (last !== undefined) queries.setQueryData<Live>(LIVE, last.live)
    stream.start(last?.heardAt)
    const keep = () => {
      const [live, contact] = [queries.getQueryData<Live>(LIVE), queries.getQueryData<Contact>(CONTACT)]
      if (live !== undefined && contact !== undefined && contact.state !== 'logged-out')
        keepLast({ live, heardAt: contact.heardAt })
    }
    addEventListener('pagehide', keep)
    return () => {
      removeEventListener('pagehide', keep)
      stream.stop()
    }
  }, [stream, queries])
}

/** Asked once for all: hundreds of buttons depend on it, and each word of the server is a new contact. */
function LostProvider({ children }: { children: ReactNode }) {
  const { state, heardAt } = useContact()
  // Before the first word of the server there is at most what an earlier page knew.
  return <IsLost value={state === 'lost' || (state === 'opening' && heardAt > 0)}>{children}</IsLost>
}

/** Whether what is shown may be old. */
export function useIsLost(): boolean {
  return useContext(IsLost)
}

const subscribeToNothing = () => () => {}

/** False while React takes a part of the page over from its HTML, which was made without a server: it has to find the same there. */
function useIsTaken(): boolean {
  return useSyncExternalStore(
    subscribeToNothing,
    () => true,
    () => false,
  )
}

/** A part of what is live; undefined before the first word. `select` has to be the same function each time, or cheap. */
export function useLive<T>(select: (live: Live) => T): T | undefined {
  const { data } = useQuery<Live, Error, T>({
    queryKey: LIVE,
    queryFn: skipToken,
    ...{ select, staleTime: Number.POSITIVE_INFINITY, gcTime: Number.POSITIVE_INFINITY, structuralSharing: false },
  })
  return useIsTaken() ? data : undefined
}

/** How the stream stands. */
export function useContact(): Contact {
  const { data } = useQuery<Contact>({
    queryKey: CONTACT,
    queryFn: skipToken,
    ...{ staleTime: Number.POSITIVE_INFINITY, gcTime: Number.POSITIVE_INFINITY },
  })
  return (useIsTaken() ? data : undefined) ?? OPENING
}

const nothing = () => {}

/** Opens the stream at once. */
export function useTryNow(): () => void {
  return useContext(OneStream)?.tryNow ?? nothing
}
