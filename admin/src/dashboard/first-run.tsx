'use client'
// Before the first tunnel: two commands, and each step notices by itself that it is done.
import Link from 'next/link'
import { useTabTitle } from '../components/page-head'
import { Card, Command } from '../components/parts'
import { type Step, Steps } from '../components/steps'
import { useLive } from '../live/live'
import { ClientList } from './client-list'

export function FirstRun() {
  useTabTitle('Nothing is open yet')
  const hasClient = useLive(live => live.clients.size > 0) ?? false
  return (
    <>
      <div className="hero">
        <div>
          <h1>Nothing is open yet</h1>
          <p className="sum">
            Two commands at the machine that has the service, and it is on the internet. This page notices each step by
            itself.
          </p>
        </div>
      </div>
      <div className="cols">
        <section className="card" aria-label="Steps">
          <FirstSteps />
        </section>
        <div className="stack">
          <ThenPerhaps />
          {hasClient && <ClientList />}
        </div>
      </div>
    </>
  )
}

function FirstSteps() {
  const server = useLive(live => live.server)
  const clients = useLive(live => [...live.clients.values()].map(({ label }) => label)) ?? []
  const domain = server?.baseDomain ?? ''
  const port = server && server.httpsPort !== 443 ? `:${server.httpsPort}` : ''
  const isLocal = domain === 'localhost' || domain.endsWith('.localhost')
  const ca = isLocal ? ` --ca ${server?.dataDir ?? ''}/dev-ca.pem` : ''
  const hasClient = clients.length > 0
  const runs: Step = {
    ...{ key: 'server', state: 'fine', title: 'pbt-server runs', word: 'done' },
    detail: `${domain}${port}, version ${server?.version ?? ''}`,
  }
  const isConnected: Step = {
    ...{ key: 'client', state: 'fine', title: 'A machine is connected', word: 'done' },
    detail: clients.join(', '),
  }
  const connect: Step = {
    ...{
      key: 'client',
      state: 'waits',
      title: 'Connect the machine that has the service',
      word: 'waiting for a client',
    },
    detail: (
      <>
        Install <code>pbt</code> there, then run this with the token that <code>pbt-server init</code> printed. Lost it?{' '}
        <Link href="/security">Make a new one</Link>.
      </>
    ),
    more: <Command line={`pbt init TOKEN --server ${domain}${port}${ca}`} />,
  }
  const open: Step = {
    ...{ key: 'tunnel', state: hasClient ? 'waits' : 'skips', title: 'Open the first tunnel' },
    detail: 'With something listening on port 3000:',
    more: <Command line="pbt 3000" />,
    word: hasClient ? 'waiting for a tunnel' : 'after step 2',
  }
  return <Steps steps={[runs, hasClient ? isConnected : connect, open]} />
}

function ThenPerhaps() {
  const domain = useLive(live => live.server?.baseDomain) ?? ''
  return (
    <Card id="then" title="Then, perhaps">
      <ul className="lines">
        <li>
          <div className="grow">
            <b>Keep a name</b>
            <p className="small muted">Reserve wiki.{domain} before anything uses it.</p>
          </div>
          <Link className="btn sm" href="/addresses">
            Reserve
          </Link>
        </li>
        <li>
          <div className="grow">
            <b>Use your own domain</b>
            <p className="small muted">app.example.com, with a certificate that renews by itself.</p>
          </div>
          <Link className="btn sm" href="/domains">
            Add
          </Link>
        </li>
        <li>
          <div className="grow stack-xs">
            <b>Survive a reboot</b>
            <p className="small muted">On the machine that has the service:</p>
            <Command line="pbt daemon install" />
          </div>
        </li>
      </ul>
    </Card>
  )
}
