'use client'
// The machines that serve tunnels: how they stand, and what happened to them.
import { useQuery } from '@connectrpc/connect-query'
import { type Client, Client_State, ClientService, TunnelState } from '@pbt/proto/admin/v1'
import { useState } from 'react'
import { useParam } from '../components/address-bar'
import { Button } from '../components/button'
import { Dialog } from '../components/dialog'
import { Filter } from '../components/filter'
import { Mark } from '../components/icon'
import { Loading } from '../components/loading'
import { PageHead } from '../components/page-head'
import { Command, Ip, State } from '../components/parts'
import { useSeconds } from '../components/seconds'
import { useLive } from '../live/live'
import type { Live } from '../live/state'
import { clientStanding, isOut, roundTrip, withoutReplaced } from '../words/client'
import { hasWords } from '../words/has-words'
import { readable } from '../words/idn'
import { listed } from '../words/sentence'
import { stripOf } from '../words/strip'
import { clock, counted, millis, moment } from '../words/time'
import { tokenStanding } from '../words/token'
import { ClientDialog } from './client-dialog'
import { ClientHistory } from './history'
import { StripPicture } from './strip-picture'

const clientsOf = (live: Live) => live.clients

export function ClientsPage() {
  const known = useLive(clientsOf)
  const tunnels = useLive(live => live.tunnels)
  const [words, setWords] = useParam('q')
  const [isNew, setNew] = useState(false)
  if (known === undefined || tunnels === undefined) return <Loading title="Clients" />
  const clients = withoutReplaced(known, tunnels).toSorted(
    (left, right) => left.state - right.state || left.label.localeCompare(right.label),
  )
  const connected = clients.filter(({ state }) => state === Client_State.CONNECTED)
  const [on, all] = [machinesOf(connected), machinesOf(clients)]
  return (
    <>
      <PageHead
        title="Clients"
        tab={`${on} of ${counted(all, 'machine')} connected`}
        lead={
          <>
            {clients.length === 0
              ? 'None has connected yet.'
              : `${on} of your ${counted(all, 'machine')} ${on === 1 ? 'is' : 'are'} connected.`}{' '}
            A client is a machine that runs <code>pbt</code> with your token.
          </>
        }
        acts={
          <Button icon="plus" onClick={() => setNew(true)}>
            Connect a machine
          </Button>
        }
      />
      <div className="stack">
        {clients.length > 1 && (
          <div className="filters">
            <Filter value={words} onChange={setWords} placeholder="Filter by machine, address, tunnel" />
          </div>
        )}
        {clients.map(client => isLike(client, words) && <ClientCard client={client} key={client.id} />)}
        {clients.length > 0 && !clients.some(client => isLike(client, words)) && (
          <p className="muted small">None is like that.</p>
        )}
        {clients.length > 0 ? (
          <ClientHistory clients={clients} />
        ) : (
          <section className="card" aria-label="Connect the first">
            <div className="pad">
              <HowToConnect />
            </div>
          </section>
        )}
      </div>
      <Connect isOpen={isNew} setOpen={setNew} />
    </>
  )
}

function isLike({ label, agent, publicAddress, tunnels }: Client, words: string): boolean {
  return hasWords([label, agent, publicAddress, ...tunnels, ...tunnels.map(readable)], words)
}

/** One may run several commands. */
function machinesOf(clients: readonly Client[]): number {
  return new Set(clients.map(({ machineId }) => machineId)).size
}

function Connect({ isOpen, setOpen }: { isOpen: boolean; setOpen: (isOpen: boolean) => void }) {
  return (
    <Dialog
      isOpen={isOpen}
      setOpen={setOpen}
      title="Connect a machine"
      acts={<Button onClick={() => setOpen(false)}>Close</Button>}
    >
      <HowToConnect />
    </Dialog>
  )
}

function HowToConnect() {
  const server = useLive(live => live.server)
  const port = server && server.httpsPort !== 443 ? `:${server.httpsPort}` : ''
  return (
    <>
      <p className="muted small below">Install pbt on it, and run there once, with the token:</p>
      <Command line={`pbt init TOKEN --server ${server?.baseDomain ?? ''}${port}`} />
      <p className="muted small gap-top">It appears here when its first tunnel opens.</p>
    </>
  )
}

function ClientCard({ client }: { client: Client }) {
  const [isAsking, setAsking] = useState(false)
  const now = useSeconds()
  const { mark, tone, since } = clientStanding(client, now)
  const { data } = useQuery(
    ClientService.method.getClient,
    { id: client.id, pageSize: 300 },
    { refetchInterval: 60_000 },
  )
  const strip = stripOf(client, data?.history ?? [], now)
  const isGone = client.state === Client_State.GONE
  const offline = useLive(live => offlineOf(live, client.id))
  const without = offline ? `, so ${offline} offline` : ''
  const mustInit = useLive(live => isOut(client, live.tokens, now))
  const back = mustInit
    ? 'Its token has ended: run pbt init on it, with the new one.'
    : 'It comes back by itself when it is switched on.'
  const serves = client.tunnels.length === 0 ? 'serves nothing' : `serves ${counted(client.tunnels.length, 'tunnel')}`
  return (
    <section className="card">
      <div className="card-head one-row roomy">
        <State mark={mark} tone={tone} word={client.label}>
          {isGone ? `${since}${without}. ${back}` : `${since}, ${serves}`}
        </State>
        <div className="row push">
          <Button
            small
            isAct
            kind={isGone ? 'quiet' : ''}
            onClick={() => setAsking(true)}
            label={`${isGone ? 'Forget' : 'Disconnect'} ${client.label}…`}
          >
            {isGone ? 'Forget…' : 'Disconnect…'}
          </Button>
        </div>
      </div>
      <div className="pad">
        <Facts client={client} />
        <p className="small gaps">
          <b>Last 24 hours:</b> {strip.text}
        </p>
        <StripPicture strip={strip} label={`${client.label}, last 24 hours: ${strip.text}`} now={now} />
        <div className="row between tiny faint">
          <span>yesterday {clock(now)}</span>
          {[18, 12, 6].map(hours => (
            <span className="hide-phone" key={hours}>
              {clock(now - hours * 3_600_000)}
            </span>
          ))}
          <span>now</span>
        </div>
      </div>
      {isAsking && <ClientDialog client={client} close={() => setAsking(false)} />}
    </section>
  )
}

/** "a and b are": what is offline while it is away; empty: nothing. */
function offlineOf({ tunnels }: Live, client: string): string {
  const names = [...tunnels.values()]
    .filter(({ clientId, state }) => clientId === client && state === TunnelState.OFFLINE)
    .map(({ name }) => readable(name))
  return names.length === 0 ? '' : `${listed(names)} ${names.length === 1 ? 'is' : 'are'}`
}

function Facts({ client }: { client: Client }) {
  const { state, publicAddress, agent, isOutdated, tokenId } = client
  const token = useLive(live => live.tokens.find(({ id }) => id === tokenId))
  const end = millis(token?.endTime)
  const standing = tokenStanding(token, useSeconds())
  return (
    <dl className="facts four">
      <dt>{state === Client_State.CONNECTED ? 'Now at' : 'Last at'}</dt>
      <dd>{publicAddress === '' ? <span className="faint">not known</span> : <Ip text={publicAddress} />}</dd>
      <dt>Round trip</dt>
      <dd className={roundTrip(client) === '' ? 'faint' : ''}>{roundTrip(client) || 'no link'}</dd>
      <dt>Runs</dt>
      <dd>
        {agent.replace('/', ' ')} {isOutdated && <span className="muted">older than the server</span>}
      </dd>
      <dt>Token</dt>
      <dd className="row">
        {standing !== 'ending' ? (
          standing === 'valid' ? (
            'the valid one'
          ) : (
            'one that has ended'
          )
        ) : (
          <>
            <Mark name="warn" tone="warn" />
            old one{end !== undefined && `, ends ${moment(end)}`}
          </>
        )}
      </dd>
    </dl>
  )
}
