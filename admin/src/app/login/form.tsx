'use client'
// The login: the token in the field, or the code of a link after # in the address, which never reaches a server's log.
import { createClient } from '@connectrpc/connect'
import { PanelService } from '@pbt/proto/admin/v1'
import { type FormEvent, type RefObject, useCallback, useEffect, useRef, useState } from 'react'
import { Button } from '../../components/button'
import { Brand, Mark } from '../../components/icon'
import { Command } from '../../components/parts'
import { type Trouble, transport, troubleOf } from '../../live/transport'

const panel = createClient(PanelService, transport)

export function LoginForm() {
  const field = useRef<HTMLInputElement>(null)
  const { host, trouble, isBusy, submit } = useLogin(field)
  return (
    <div className="login">
      <main className="box">
        <div className="brand">
          <Brand domain={host.replace(/^admin\./, '')} />
        </div>
        <div className="card">
          <h1>Log in</h1>
          <p className="muted small">
            to <span className="mono">{host || 'this server'}</span>
          </p>
          {/* Its field has no name: a form that is sent before the scripts run must not put the token into an address. */}
          <form className="stack-sm" method="post" onSubmit={submit}>
            <label className="field">
              <span className="lab">Token</span>
              <span className={`input ${trouble ? 'wrong' : ''}`}>
                <input
                  className="mono"
                  type="password"
                  autoComplete="current-password"
                  placeholder="pbt_…"
                  ref={field}
                  aria-invalid={trouble ? true : undefined}
                  aria-describedby={trouble ? 'trouble' : undefined}
                />
              </span>
            </label>
            {trouble && <Refused trouble={trouble} />}
            <Button type="submit" kind="primary" busy={isBusy && 'Logging in'} className="wide">
              Log in
            </Button>
          </form>
        </div>
        <div className="other">
          <p className="small muted">
            No token at hand? On the server, this prints a link that works once, for a minute:
          </p>
          <Command line="sudo pbt-server login" />
        </div>
      </main>
    </div>
  )
}

/** Logs in by what is in the field, or by the code in the address as soon as the page is there. */
function useLogin(field: RefObject<HTMLInputElement | null>) {
  const [host, setHost] = useState('')
  const [trouble, setTrouble] = useState<Trouble>()
  const [isBusy, setBusy] = useState(false)
  const isStarted = useRef(false)

  const login = useCallback(
    async (proof: { case: 'token' | 'code'; value: string }) => {
      setBusy(true)
      setTrouble(undefined)
      try {
        await panel.login({ proof })
        location.replace(whereTo())
      } catch (error) {
        setTrouble(troubleOf(error))
        setBusy(false)
        field.current?.focus()
      }
    },
    [field],
  )

  useEffect(() => {
    setHost(location.hostname)
    document.title = 'Log in · pbt'
    const byLink = () => {
      const code = location.hash.slice(1)
      if (code === '') return false
      history.replaceState(null, '', location.pathname + location.search)
      login({ case: 'code', value: code })
      return true
    }
    // A link that is pasted where this page is open changes what is after # alone, and loads nothing.
    addEventListener('hashchange', byLink)
    if (!isStarted.current) {
      isStarted.current = true
      if (!byLink()) {
        field.current?.focus()
        panel.getSession({}).then(
          ({ session }) => session && location.replace(whereTo()),
          () => {},
        )
      }
    }
    return () => removeEventListener('hashchange', byLink)
  }, [login, field])

  const submit = (event: FormEvent) => {
    event.preventDefault()
    const token = field.current?.value.trim() ?? ''
    if (token === '') {
      field.current?.focus()
      return
    }
    if (!isBusy) login({ case: 'token', value: token })
  }
  return { host, trouble, isBusy, submit }
}

function Refused({ trouble }: { trouble: Trouble }) {
  return (
    <div className="note bad" id="trouble" role="alert">
      <Mark name="bad" tone="bad" />
      <div>
        <p className="strong">{sentence(trouble.what)}</p>
        {trouble.cure && <p>{sentence(trouble.cure)}</p>}
      </div>
    </div>
  )
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.!?]$/.test(capital) ? capital : `${capital}.`
}

/** A page of this panel, and nothing else. Judged as the browser reads it: that takes tabs and line ends out before it looks for a host. */
function whereTo(): string {
  const to = new URLSearchParams(location.search).get('to') ?? '/'
  try {
    const { origin, href } = new URL(to, location.origin)
    return origin === location.origin ? href : '/'
  } catch {
    return '/'
  }
}
