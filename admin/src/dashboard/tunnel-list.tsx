'use client'
// The tunnels: state in words, addresses, who serves them, and how much goes through now.
import { type Client, type Tunnel, TunnelState } from '@pbt/proto/admin/v1'
import Link from 'next/link'
import { useRouter } from 'next/navigation'
import { useMemo, useState } from 'react'
import { useParam } from '../components/address-bar'
import { Button } from '../components/button'
import { useNoContact } from '../components/contact'
import { Filter } from '../components/filter'
import { Menu, type MenuItem } from '../components/menu'
import { Address, Card, State } from '../components/parts'
import { useSeconds } from '../components/seconds'
import { Spark } from '../components/spark'
import { type Column, Table } from '../components/table'
import { useLive } from '../live/live'
import type { Live } from '../live/state'
import { type TunnelActs, useTunnelActs } from '../tunnel/acts'
import { KillDialog } from '../tunnel/kill-dialog'
import { rate } from '../words/bytes'
import { readable } from '../words/idn'
import { tunnelHref } from '../words/links'
import { explain } from '../words/needs'
import { kindOf, standingOf } from '../words/tunnel'
import { NewTunnel } from './new-tunnel'

/** Reachable ones first, then what the list of what needs the owner names already. */
const ORDER = ['online', 'awaited', 'paused', 'certificate', 'target', 'killed', 'offline']

/** From so many tunnels on the list has a filter. */
const FILTERED = 10
/** Only who is awaited is counted by the second, milliseconds. */
const SLOW_MS = 30_000

const tunnelsOf = (live: Live) => live.tunnels
const clientsOf = (live: Live) => live.clients

export function TunnelList() {
  const tunnels = useLive(tunnelsOf)
  const clients = useLive(clientsOf)
  const [killing, setKilling] = useState<Tunnel>()
  const [isNew, setNew] = useState(false)
  const acts = useTunnelActs()
  const router = useRouter()
  const [words, setWords] = useParam('q')
  const all = useMemo(() => [...(tunnels?.values() ?? [])], [tunnels])
  const isWaiting = all.some(({ state }) => state === TunnelState.AWAITED)
  const now = useSeconds(isWaiting ? 1_000 : SLOW_MS)
  const rows = useMemo(() => all.filter(tunnel => isFound(tunnel, words)), [all, words])
  const columns = useMemo(
    () => columnsFor({ clients, acts, kill: setKilling, go: href => router.push(href), now }),
    [clients, acts, router, now],
  )
  const keys = useMemo(() => keysFor(acts, setKilling), [acts])
  return (
    <Card
      id="tuns"
      title="Tunnels"
      aside={
        <>
          {(all.length >= FILTERED || words !== '') && (
            <Filter
              className="in-head"
              value={words}
              onChange={setWords}
              placeholder="Name, address, machine, target"
            />
          )}
          <div className="push row">
            <Button small icon="plus" onClick={() => setNew(true)} isAct>
              New tunnel
            </Button>
          </div>
        </>
      }
    >
      {rows.length === 0 && <p className="pad muted small">None is like that.</p>}
      <Table
        label="Tunnels"
        rows={rows}
        columns={columns}
        keyOf={nameOf}
        firstSort="state"
        className="tun"
        rowClass={dimmed}
        keys={keys}
      />
      <KillDialog tunnel={killing} setOpen={() => setKilling(undefined)} />
      <NewTunnel isOpen={isNew} setOpen={setNew} />
    </Card>
  )
}

const nameOf = ({ name }: Tunnel) => name

function dimmed({ state }: Tunnel): string {
  return state === TunnelState.OFFLINE || state === TunnelState.KILLED ? 'dim' : ''
}

function keysFor(acts: TunnelActs, kill: (tunnel: Tunnel) => void): Readonly<Record<string, (tunnel: Tunnel) => void>> {
  return {
    p: ({ name, state }) => (state === TunnelState.PAUSED ? acts.resume(name) : acts.pause(name)),
    x: kill,
  }
}

interface RowContext {
  readonly clients: ReadonlyMap<string, Client> | undefined
  readonly acts: TunnelActs
  readonly kill: (tunnel: Tunnel) => void
  readonly go: (href: string) => void
  readonly now: number
}

function columnsFor(context: RowContext): readonly Column<Tunnel>[] {
  const { clients, acts, kill, go, now } = context
  return [
    {
      ...{ key: 'name', title: 'Tunnel', head: 'w-name', className: 'c-name', sortBy: ({ name }) => name },
      cell: tunnel => (
        <>
          <Link className="name" href={tunnelHref(tunnel.name)} title={tunnel.name}>
            {readable(tunnel.name)}
          </Link>
          <small>{kindOf(tunnel)}</small>
        </>
      ),
    },
    {
      ...{ key: 'state', title: 'State', head: 'w-state', className: 'c-state', sortBy: rankOf },
      cell: tunnel => {
        const { kind, mark, tone, word, detail } = standingOf(tunnel, clients?.get(tunnel.clientId), now)
        return (
          <State mark={mark} tone={tone} word={word}>
            {kind === 'awaited' ? <Passing text={detail} /> : detail}
          </State>
        )
      },
    },
    {
      ...{ key: 'address', title: 'Address', head: 'w-addr', className: 'c-addr' },
      sortBy: ({ addresses }) => addresses[0]?.address ?? '',
      cell: ({ addresses }) => addresses.map(({ url }) => <Address url={url} key={url} />),
    },
    {
      ...{ key: 'client', title: 'Served by', head: 'w-serve', className: 'c-serve serve' },
      sortBy: ({ clientLabel }) => clientLabel,
      cell: ({ clientLabel, target }) => (
        <>
          {clientLabel} <code title={target}>{target}</code>
        </>
      ),
    },
    {
      ...{ key: 'rate', title: 'Now, last 10 min', head: 'w-rate', className: 'c-rate', sortBy: rateOf },
      cell: tunnel => <RateCell tunnel={tunnel} acts={acts} />,
    },
    {
      ...{
        key: 'open',
        title: 'Open',
        head: 'w-open num',
        className: 'c-open num',
        sortBy: each => each.openConnections,
      },
      cell: ({ openConnections }) => <span className={openConnections === 0 ? 'faint' : ''}>{openConnections}</span>,
    },
    {
      ...{ key: 'acts', title: 'Acts', isHidden: true, head: 'w-menu', className: 'c-menu' },
      cell: tunnel => <RowMenu tunnel={tunnel} acts={acts} kill={kill} go={go} />,
    },
  ]
}

/** On one line: rows do not grow for what is over in a moment. */
function Passing({ text }: { text: string }) {
  return (
    <span className="one-line" title={text}>
      {text}
    </span>
  )
}

function isFound({ name, addresses, clientLabel, target }: Tunnel, words: string): boolean {
  const text = [name, readable(name), clientLabel, target, ...addresses.map(({ url }) => url)].join(' ').toLowerCase()
  return words
    .toLowerCase()
    .split(/\s+/)
    .every(word => text.includes(word))
}

/** By state, and within it by what goes through. */
function rankOf(tunnel: Tunnel): string {
  const rank = ORDER.indexOf(standingOf(tunnel).kind)
  const traffic = Math.round(1e12 - Math.min(rateOf(tunnel), 1e12))
  return `${rank}${String(traffic).padStart(13, '0')}${tunnel.name}`
}

function rateOf({ bytesInRate, bytesOutRate }: Tunnel): number {
  return bytesInRate + bytesOutRate
}

function RateCell({ tunnel, acts }: { tunnel: Tunnel; acts: TunnelActs }) {
  const { name, state, recentBytes } = tunnel
  if (state === TunnelState.PAUSED || state === TunnelState.KILLED) {
    const isPaused = state === TunnelState.PAUSED
    return (
      <Button small icon="play" isAct onClick={() => (isPaused ? acts.resume(name) : acts.start(name))}>
        {isPaused ? 'Resume' : 'Start again'}
      </Button>
    )
  }
  const isQuiet = recentBytes.every(each => each === 0n)
  const now = rate(rateOf(tunnel))
  return (
    <div className="rate">
      <span className={isQuiet ? 'faint hide-phone' : ''}>{isQuiet ? 'none' : now}</span>
      {!isQuiet && <Spark values={recentBytes} label={`traffic of ${name} in the last 10 minutes, now ${now}`} />}
    </div>
  )
}

function RowMenu({ tunnel, acts, kill, go }: { tunnel: Tunnel } & Pick<RowContext, 'acts' | 'kill' | 'go'>) {
  const { name, state } = tunnel
  const because = useNoContact()
  const items: MenuItem[] = [
    state === TunnelState.PAUSED
      ? { key: 'resume', label: 'Resume', icon: 'play', run: () => acts.resume(name) }
      : state === TunnelState.KILLED
        ? { key: 'start', label: 'Start again', icon: 'play', run: () => acts.start(name) }
        : { key: 'pause', label: 'Pause', hint: 'turns visitors away', icon: 'pause', run: () => acts.pause(name) },
    { key: 'explain', label: 'Explain', icon: 'way', run: () => go(explain(tunnel.addresses[0]?.address ?? name)) },
    { key: 'log', label: 'Its log', icon: 'lines', run: () => go(`/logs?tunnel=${encodeURIComponent(name)}`) },
    ...(state === TunnelState.KILLED
      ? []
      : [
          {
            key: 'kill',
            label: 'Kill…',
            hint: 'ends it on its machine',
            icon: 'stop',
            run: () => kill(tunnel),
            isDanger: true,
          } as const,
        ]),
  ]
  return <Menu label={`Acts on ${readable(name)}`} items={items} because={because} />
}
