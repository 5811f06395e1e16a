'use client'
// The new token, shown once; leaving asks whether it was kept.
import { useEffect } from 'react'
import { Button } from '../components/button'
import { Command, Copy } from '../components/parts'
import { useLive } from '../live/live'

const QUESTION = 'The new token is shown this once. Have you kept it?'

export function NewToken({ secret, forget }: { secret: string; forget: () => void }) {
  const server = useLive(live => live.server)
  const port = server && server.httpsPort !== 443 ? `:${server.httpsPort}` : ''
  useAskBeforeLeaving()
  return (
    <section className="card newtok" aria-labelledby="nt">
      <div className="card-head roomy">
        <div>
          <h2 id="nt">The new token, shown this once</h2>
          <p>Keep it in your password manager. It is stored here only as a hash.</p>
        </div>
      </div>
      <div className="pad stack-sm">
        <div className="cmd bare">
          <span>{secret}</span>
          <Copy text={secret} label="Copy the token" />
        </div>
        <p className="small gap-top">For a machine that did not get it by itself, run there once:</p>
        <Command line={`pbt init ${secret} --server ${server?.baseDomain ?? ''}${port}`} />
        <div className="row gap-top">
          <Button kind="primary" onClick={forget}>
            I have kept it
          </Button>
          <span className="small muted">hides it for good</span>
        </div>
      </div>
    </section>
  )
}

function useAskBeforeLeaving(): void {
  useEffect(() => {
    const onUnload = (event: BeforeUnloadEvent) => event.preventDefault()
    const onClick = (event: MouseEvent) => {
      const link = event.target instanceof Element ? event.target.closest('a[href]') : null
      if (link === null || link.getAttribute('target') === '_blank' || confirm(QUESTION)) return
      event.preventDefault()
      event.stopPropagation()
    }
    addEventListener('beforeunload', onUnload)
    document.addEventListener('click', onClick, true)
    return () => {
      removeEventListener('beforeunload', onUnload)
      document.removeEventListener('click', onClick, true)
    }
  }, [])
}
