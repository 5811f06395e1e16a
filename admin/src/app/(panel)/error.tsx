'use client'
import { useEffect } from 'react'
import { Button } from '../../components/button'
import { reloadOnce } from '../../components/new-version'
import { PageHead } from '../../components/page-head'

/** What a page that failed says; one that asks for a part of an older panel is loaded again, once. */
export default function PageError({ error, reset }: { error: Error; reset: () => void }) {
  useEffect(() => {
    if (error.name === 'ChunkLoadError') reloadOnce()
  }, [error])
  return (
    <>
      <PageHead title="This page failed" lead={`${error.message} The tunnels go on; the other pages too.`} />
      <Button onClick={reset}>Try again</Button>
    </>
  )
}
