'use client'
// The new token, shown once.
import { Button } from '../components/button'
import { Command, Copy } from '../components/parts'
import { useLive } from '../live/live'

export function NewToken({ secret, forget }: { secret: string; forget: () => void }) {
  const server = useLive(live => live.server)
  const port = server && server.httpsPort !== 443 ? `:${server.httpsPort}` : ''
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
          <Copy text={secret} label="Copy the token" stays />
        </div>
        <p className="small gap-top">For a machine that did not get it by itself, run there once:</p>
        <Command line={`pbt init ${secret} --server ${server?.baseDomain ?? ''}${port}`} stays />
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
