'use client'
// What visitors come to: names, ports and domains that are the owner's, whether a machine is there or not.
import { TunnelState } from '@pbt/proto/admin/v1'
import Link from 'next/link'
import { useRouter } from 'next/navigation'
import { useMemo, useState } from 'react'
import { useParam } from '../components/address-bar'
import { Button } from '../components/button'
import { useNoContact } from '../components/contact'
import { Filter } from '../components/filter'
import { Icon, Mark } from '../components/icon'
import { Loading } from '../components/loading'
import { Menu, type MenuItem } from '../components/menu'
import { PageHead } from '../components/page-head'
import { Address, Command } from '../components/parts'
import { Segments } from '../components/segments'
import { type Column, Table } from '../components/table'
import { useLive } from '../live/live'
import type { Live } from '../live/state'
import { type AddressRow, addressRows, isFound, isUnused } from '../words/address-rows'
import { readable } from '../words/idn'
import { tunnelHref } from '../words/links'
import { explain } from '../words/needs'
import { counted, howLong, moment } from '../words/time'
import { standingOf } from '../words/tunnel'
import { NoteDialog } from './note-dialog'
import { ReleaseDialog } from './release-dialog'
import { Reserve } from './reserve'

type Choice = 'all' | 'name' | 'port' | 'domain' | 'unused'
const CHOICES = [
  ['all', 'All'],
  ['name', 'Names'],
  ['port', 'Ports'],
  ['domain', 'Domains'],
  ['unused', 'Unused'],
] as const satisfies readonly (readonly [Choice, string])[]

const addressesOf = (live: Live) => live.addresses

export function AddressesPage() {
  const addresses = useLive(addressesOf)
  const [words, setWords] = useParam('q')
  const [named, setKind] = useParam('kind', 'all')
  const kind = CHOICES.find(([choice]) => choice === named)?.[0] ?? 'all'
  const [asked, setAsked] = useState<{ row: AddressRow; what: 'release' | 'note' }>()
  const [isReserving, setReserving] = useState(false)
  const all = useMemo(() => addressRows(addresses?.values() ?? []), [addresses])
  const now = Date.now()
  const isOf = (row: AddressRow, choice: string) =>
    choice === 'all' || row.kind === choice || (choice === 'unused' && isUnused(row, now))
  const rows = all.filter(row => isOf(row, kind) && isFound(row, words))
  if (addresses === undefined) return <Loading title="Addresses" />
  return (
    <>
      <PageHead
        title="Addresses"
        tab={counted(all.length, 'address', 'addresses')}
        lead={leadOf(all.length)}
        acts={<HeadActs reserve={() => setReserving(true)} />}
      />
      <div className="cols">
        <div>
          <div className="filters">
            <Filter value={words} onChange={setWords} placeholder="Filter by address, tunnel, note" />
            <Segments
              label="Kind"
              value={kind}
              onChange={setKind}
              choices={CHOICES.map(([value, label]) => ({
                value,
                label: `${label} ${all.filter(row => isOf(row, value)).length}`,
              }))}
            />
          </div>
          <section className="card" aria-label="All addresses">
            {rows.length === 0 ? (
              <div className="pad stack-sm">
                <p className="muted small">
                  {all.length === 0
                    ? 'None yet. At the machine that has the service, for example:'
                    : 'None is like that.'}
                </p>
                {all.length === 0 && <Command line="pbt http 3000 --domain wiki" />}
              </div>
            ) : (
              <List rows={rows} ask={(row, what) => setAsked({ row, what })} now={now} />
            )}
          </section>
        </div>
        <Reserve isUp={isReserving} close={() => setReserving(false)} />
      </div>
      <ReleaseDialog row={asked?.what === 'release' ? asked.row : undefined} close={() => setAsked(undefined)} />
      <NoteDialog row={asked?.what === 'note' ? asked.row : undefined} close={() => setAsked(undefined)} />
    </>
  )
}

function leadOf(count: number): string {
  if (count === 0) return 'None is yours yet. Reserve one here, or open a tunnel: what it serves is kept for it.'
  if (count === 1) return 'This one is yours, whether a machine is there or not.'
  return `These ${count} names and ports are yours, whether a machine is there or not.`
}

function HeadActs({ reserve }: { reserve: () => void }) {
  return (
    <>
      <Button kind="primary" icon="plus" className="only-phone" onClick={reserve}>
        Reserve
      </Button>
      <Link className="btn" href="/domains?open=add">
        <Icon name="globe" small />
        Add a domain
      </Link>
    </>
  )
}

type AskRow = (row: AddressRow, what: 'release' | 'note') => void

function List({ rows, ask, now }: { rows: readonly AddressRow[]; ask: AskRow; now: number }) {
  return (
    <Table
      className="adr"
      label="Addresses"
      rows={rows}
      columns={columnsOf(ask, now)}
      keyOf={({ address }) => address}
      firstSort="used"
    />
  )
}

function columnsOf(ask: AskRow, now: number): readonly Column<AddressRow>[] {
  return [
    {
      ...{ key: 'address', title: 'Address', head: 'w-addr', className: 'c-addr', sortBy: ({ address }) => address },
      cell: row => (
        <>
          <Address url={row.url} />
          <Kind row={row} />
        </>
      ),
    },
    {
      ...{ key: 'tunnel', title: 'Used by', head: 'w-use', className: 'c-use' },
      sortBy: ({ tunnels }) => tunnels[0] ?? '~',
      cell: row => <UsedBy row={row} />,
    },
    {
      ...{ key: 'used', title: 'Last used', head: 'w-last', className: 'nowrap c-last' },
      sortBy: ({ isInUse, lastUsed }) => (isInUse ? Number.MAX_SAFE_INTEGER : (lastUsed ?? 0)),
      cell: row => <LastUsed row={row} now={now} />,
    },
    {
      ...{
        key: 'who',
        title: 'Who may come in',
        head: 'w-who',
        className: 'c-who off nowrap',
        sortBy: ({ audience }) => audience,
      },
      cell: row => <Audience row={row} />,
    },
    {
      ...{ key: 'acts', title: 'Acts', isHidden: true, head: 'w-act', className: 'num c-act' },
      cell: row => <Acts row={row} ask={ask} now={now} />,
    },
  ]
}

/** What it is, and why nobody gets through, where the rest of the row does not tell it. */
function Kind({ row: { address, kindWord, tunnels, note } }: { row: AddressRow }) {
  const trouble = useLive(live => troubleOf(live, address, tunnels[0] ?? ''))
  return <small>{[kindWord, trouble, note].filter(Boolean).join(' · ')}</small>
}

function troubleOf({ tunnels, domains }: Live, address: string, tunnel: string): string {
  const served = tunnels.get(tunnel)
  const state = served?.state
  if (state === TunnelState.PAUSED) return 'paused'
  if (state === TunnelState.KILLED) return 'killed'
  if (served !== undefined && standingOf(served).kind === 'target') return 'target refuses'
  const domain = domains.get(address)
  return domain !== undefined && domain.certificate === undefined ? 'no certificate' : ''
}

function UsedBy({ row }: { row: AddressRow }) {
  const { tunnels } = row
  const label = useLive(live => live.tunnels.get(tunnels[0] ?? '')?.clientLabel)
  if (tunnels.length === 0) return <span className="faint">no tunnel</span>
  return (
    <>
      {tunnels.map(name => (
        <Link className="plain clamp" href={tunnelHref(name)} title={name} key={name}>
          {readable(name)}{' '}
        </Link>
      ))}
      {label && <small>{label}</small>}
    </>
  )
}

function LastUsed({ row: { isInUse, lastUsed, tunnels }, now }: { row: AddressRow; now: number }) {
  // In use, though perhaps nobody gets through.
  const tunnel = useLive(live => live.tunnels.get(tunnels[0] ?? ''))
  const { mark, tone } = tunnel === undefined ? ({ mark: 'ok', tone: 'ok' } as const) : standingOf(tunnel)
  if (isInUse) {
    return (
      <span className="row">
        <Mark name={mark} tone={tone} />
        now
      </span>
    )
  }
  if (lastUsed === undefined) return <span className="muted">never</span>
  return (
    <>
      {moment(lastUsed, now)}
      <small>{howLong(now - lastUsed)} ago</small>
    </>
  )
}

function Audience({ row: { audience, isOpen, tunnels } }: { row: AddressRow }) {
  const [first] = tunnels
  if (isOpen || first === undefined) return <span className="muted">{audience}</span>
  return (
    <Link className="plain" href={tunnelHref(first)}>
      {audience}
    </Link>
  )
}

function Acts({ row, ask, now }: { row: AddressRow; ask: AskRow; now: number }) {
  const router = useRouter()
  const because = useNoContact()
  if (isUnused(row, now)) {
    return (
      <Button small isAct onClick={() => ask(row, 'release')} label={`Release ${row.address}…`}>
        Release…
      </Button>
    )
  }
  const items: MenuItem[] = [
    {
      key: 'explain',
      label: 'Explain',
      icon: 'way',
      run: () => router.push(explain(row.address.replace('tcp+udp', 'tcp'))),
    },
    { key: 'note', label: 'Note…', icon: 'lines', run: () => ask(row, 'note') },
    { key: 'release', label: 'Release…', icon: 'cross', run: () => ask(row, 'release'), isDanger: true },
  ]
  return <Menu label={`Acts on ${row.address}`} items={items} because={because} />
}
