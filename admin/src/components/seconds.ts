'use client'
import { useEffect, useState } from 'react'

/** The time, milliseconds, read again each second, or as often as is said. */
export function useSeconds(everyMs = 1_000): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return now
}
