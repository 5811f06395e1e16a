// Questions for figures over time, as every page with charts asks them.
import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import { callUnaryMethod, createQueryOptions, useQuery, useTransport } from '@connectrpc/connect-query'
import { usePrefetchQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'

/** Figures are by minute. */
const AGAIN_MS = 30_000

/** Asked for as the page is made, not only once it stands; while the answer is awaited the one before it is shown. */
export function useFigures<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  input: MessageInitShape<I>,
): MessageShape<O> | undefined {
  const transport = useTransport()
  const { queryKey } = createQueryOptions(method, input, { transport })
  usePrefetchQuery({ queryKey, queryFn: ({ signal }) => callUnaryMethod(transport, method, input, { signal }) })
  return useQuery(method, input, { placeholderData: known => known, staleTime: AGAIN_MS }).data
}

/** The time, to the half minute, which it has just passed: who makes the page twice asks once. Read again while the page is seen. */
export function useHalfMinute(): number {
  const [now, setNow] = useState(halfMinute)
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && setNow(halfMinute()), AGAIN_MS)
    return () => clearInterval(timer)
  }, [])
  return now
}

function halfMinute(): number {
  return Math.floor(Date.now() / AGAIN_MS) * AGAIN_MS + 1
}
