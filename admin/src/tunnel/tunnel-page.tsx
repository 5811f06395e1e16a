'use client'
// One tunnel: the way in, what goes through it, who is there, who may come, who serves it.
import { type Client, Client_State, type Tunnel, TunnelKind, TunnelState } from '@pbt/proto/admin/v1'
import Link from 'next/link'
import { useState } from 'react'
import { useParam } from '../components/address-bar'
import { Button } from '../components/button'
import { Icon, Mark } from '../components/icon'
import { useKeys } from '../components/keys'
import { Loading } from '../components/loading'
import { useIsPhone } from '../components/media'
import { PageHead, useTabTitle } from '../components/page-head'
import { Address, Card, Command } from '../components/parts'
import { useSeconds } from '../components/seconds'
import { Way } from '../components/way'
import { useLive } from '../live/live'
import { bytes } from '../words/bytes'
import { readable } from '../words/idn'
import { explain } from '../words/needs'
import { sentence } from '../words/sentence'
import { commandOf, kindOf, standingOf } from '../words/tunnel'
import { useTunnelActs } from './acts'
import { AllowlistCard } from './allowlist'
import { History } from './history'
import { KillDialog } from './kill-dialog'
import { OpenNow } from './open-now'
import { Requests } from './requests'
import { ServedBy } from './served-by'
import { stationsOf } from './stations'

export function TunnelPage() {
  const [name] = useParam('name')
  const tunnel = useLive(live => live.tunnels.get(name) ?? null)
  if (tunnel === undefined) return <Loading title={name || 'Tunnel'} />
  if (tunnel === null) return <Gone name={name} />
  return <Known tunnel={tunnel} key={name} />
}

function Gone({ name }: { name: string }) {
  return (
    <>
      <Crumb name={name} />
      <PageHead title={`There is no tunnel ${name}`} lead="It was never opened, or was forgotten with its client." />
      <Link className="btn" href="/">
        To the tunnels
      </Link>
    </>
  )
}

function Crumb({ name }: { name: string }) {
  return (
    <nav className="crumb" aria-label="Where">
      <Link href="/">Tunnels</Link>
      <Icon name="right" small />
      <span title={name}>{readable(name)}</span>
    </nav>
  )
}

function Known({ tunnel }: { tunnel: Tunnel }) {
  const { name, addresses } = tunnel
  const isHttp = tunnel.kind === TunnelKind.HTTP
  const client = useLive(live => live.clients.get(tunnel.clientId) ?? null) ?? undefined
  const isPhone = useIsPhone()
  // Beside what goes on; on a phone before it.
  const what = (
    <div className="stack">
      <Addresses tunnel={tunnel} />
      {addresses.map(address => (
        <AllowlistCard address={address} isAlone={addresses.length === 1} key={address.address} />
      ))}
      <ServedBy tunnel={tunnel} client={client} />
    </div>
  )
  return (
    <>
      <Crumb name={name} />
      <Head tunnel={tunnel} />
      <div className="stack">
        <Away tunnel={tunnel} client={client} />
        <Way stations={stationsOf(tunnel, client)} />
        <div className="cols">
          {isPhone && what}
          <div className="stack">
            <History tunnel={tunnel} />
            {isHttp && <Requests tunnel={tunnel} />}
            <OpenNow tunnel={tunnel} />
            {/* Each connection that ends is a row more here: below, it does not move those that are open. */}
            {!isHttp && <Requests tunnel={tunnel} />}
          </div>
          {!isPhone && what}
        </div>
      </div>
    </>
  )
}

function Head({ tunnel }: { tunnel: Tunnel }) {
  const { name, state, addresses } = tunnel
  const [isKilling, setKilling] = useState(false)
  const client = useLive(live => live.clients.get(tunnel.clientId) ?? null) ?? undefined
  const { mark, tone, word, detail } = standingOf(tunnel, client, useSeconds())
  const acts = useTunnelActs()
  const isPaused = state === TunnelState.PAUSED
  const isKilled = state === TunnelState.KILLED
  useTabTitle(`${word} · ${readable(name)}`)
  const toggle = () => (isKilled ? acts.start(name) : isPaused ? acts.resume(name) : acts.pause(name))
  useKeys({ p: toggle, x: () => !isKilled && setKilling(true) })
  return (
    <div className="head">
      <div>
        <h1 title={name}>{readable(name)}</h1>
        <div className="row">
          <Mark name={mark} tone={tone} />
          <span>
            <b>{word}</b> <span className="muted">{detail}</span>
          </span>
        </div>
      </div>
      <div className="acts">
        <Link className="btn" href={explain(addresses[0]?.address ?? name)}>
          <Icon name="way" small />
          Explain
        </Link>
        <Button icon={isPaused || isKilled ? 'play' : 'pause'} onClick={toggle} busy={acts.busy} isAct>
          {isKilled ? 'Start again' : isPaused ? 'Resume' : 'Pause'}
        </Button>
        {!isKilled && (
          <Button kind="danger" icon="stop" onClick={() => setKilling(true)} isAct>
            Kill…
          </Button>
        )}
      </div>
      <KillDialog tunnel={isKilling ? tunnel : undefined} setOpen={setKilling} />
    </div>
  )
}

/** What brings it back, where the panel cannot. */
function Away({ tunnel, client }: { tunnel: Tunnel; client: Client | undefined }) {
  const machine = tunnel.clientLabel || 'its machine'
  if (tunnel.state === TunnelState.KILLED)
    return (
      <div className="note next">
        <div className="grow">
          <p>"Start again" lets it come back: a daemon on {machine} opens it at once; where none runs, run there:</p>
          <Command line={commandOf(tunnel)} />
        </div>
      </div>
    )
  if (tunnel.state !== TunnelState.OFFLINE) return null
  if (client?.state === Client_State.CONNECTED)
    return (
      <div className="note next">
        <div className="grow">
          <p>{machine} is connected, but nothing there opens it now. Run there:</p>
          <Command line={commandOf(tunnel)} />
        </div>
      </div>
    )
  return (
    <div className="note next">
      <div className="grow">
        <p>
          It comes back by itself when {machine} is on and pbt runs there: by its daemon, or by the command that opened
          it.
        </p>
        <Command line="pbt daemon start" />
      </div>
    </div>
  )
}

function Addresses({ tunnel }: { tunnel: Tunnel }) {
  const { kind, word } = standingOf(tunnel)
  return (
    <Card id="ad" title="Addresses">
      <ul className="lines">
        {tunnel.addresses.map(({ address, url, waiting, cure }) => (
          <li key={address} data-row>
            <div className="grow">
              <Address url={url} />
              <p className="small muted">
                {waiting === ''
                  ? `${kindOf(tunnel)}, ${kind === 'online' ? 'reachable' : `not reachable: ${word.toLowerCase()}`}`
                  : [waiting, cure].filter(Boolean).map(sentence).join(' ')}
              </p>
            </div>
          </li>
        ))}
      </ul>
      <p className="card-foot">
        {bytes(tunnel.counts?.bytesOut ?? 0n)} out and {bytes(tunnel.counts?.bytesIn ?? 0n)} in since it was first seen.
      </p>
    </Card>
  )
}
