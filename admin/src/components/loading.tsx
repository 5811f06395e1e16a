'use client'
// Before the first word of the server: the frame, and after a moment what is waited for. No skeletons.
import { useEffect, useState } from 'react'
import { PageHead } from './page-head'

const AFTER_MS = 400

export function Loading({ title }: { title: string }) {
  const [isSlow, setSlow] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), AFTER_MS)
    return () => clearTimeout(timer)
  }, [])
  return (
    <>
      <PageHead title={title} />
      <p className="muted" role="status">
        {isSlow ? 'Loading' : ''}
      </p>
    </>
  )
}
