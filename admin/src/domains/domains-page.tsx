'use client'
// Domains of the owner: their certificates, and what stands in the way of one.
import { useQuery } from '@connectrpc/connect-query'
import { type Domain, Domain_State, DomainService } from '@pbt/proto/admin/v1'
import Link from 'next/link'
import { useRouter } from 'next/navigation'
import { useLayoutEffect, useState } from 'react'
import { useParam } from '../components/address-bar'
import { Button } from '../components/button'
import { useNoContact } from '../components/contact'
import { Filter } from '../components/filter'
import { Mark } from '../components/icon'
import { Loading } from '../components/loading'
import { Menu, type MenuItem } from '../components/menu'
import { PageHead } from '../components/page-head'
import { Copy } from '../components/parts'
import { type Column, Table } from '../components/table'
import { useLive } from '../live/live'
import type { Live } from '../live/state'
import { domainHref, domainStanding, domainsLead, hasTrouble, lifeLeft, nextText } from '../words/domain'
import { hasWords } from '../words/has-words'
import { readable } from '../words/idn'
import { tunnelHref } from '../words/links'
import { AddDomain } from './add-domain'
import { DomainView } from './domain-view'
import { RemoveDialog } from './remove-dialog'
import { Trouble, useRetry } from './trouble'

const domainsOf = (live: Live) => live.domains

export function DomainsPage() {
  const domains = useLive(domainsOf)
  const [name] = useParam('name')
  const [removing, setRemoving] = useState<Domain>()
  if (domains === undefined) return <Loading title="Domains" />
  const shown = name === '' ? undefined : domains.get(name)
  return (
    <>
      {name === '' ? (
        <List domains={[...domains.values()]} remove={setRemoving} />
      ) : (
        <DomainView name={name} domain={shown} remove={() => setRemoving(shown)} />
      )}
      <RemoveDialog domain={removing} close={() => setRemoving(undefined)} />
    </>
  )
}

interface ListProps {
  readonly domains: readonly Domain[]
  readonly remove: (domain: Domain) => void
}

function List({ domains, remove }: ListProps) {
  const { data } = useQuery(DomainService.method.listDomains, {}, { retry: false })
  const [open, setOpen] = useParam('open')
  const [isAdding, setAdding] = useState(open === 'add')
  const [words, setWords] = useParam('q')
  const rows = domains.filter(domain => isLike(domain, words))
  // Asked for once: who comes back to this page wants the list.
  useLayoutEffect(() => {
    if (open !== '') setOpen('')
  }, [open, setOpen])
  const now = Date.now()
  const offReason = data?.offReason ?? ''
  return (
    <>
      <PageHead
        title="Domains"
        tab={domains.some(hasTrouble) ? 'A domain needs you' : 'Domains'}
        lead={domainsLead(domains, offReason, now)}
        acts={
          <Button kind="primary" icon="plus" className="only-phone" onClick={() => setAdding(true)}>
            Add a domain
          </Button>
        }
      />
      <div className="cols">
        <div className="stack">
          {domains.filter(hasTrouble).map(domain => (
            <Trouble domain={domain} now={now} key={domain.domain} />
          ))}
          {domains.length > 1 && (
            <div className="filters">
              <Filter value={words} onChange={setWords} placeholder="Filter by name, state, tunnel" />
            </div>
          )}
          <section className="card" aria-label="All domains">
            {rows.length === 0 ? (
              <p className="pad muted small">{domains.length === 0 ? 'None yet.' : 'None is like that.'}</p>
            ) : (
              <Rows domains={rows} remove={remove} now={now} />
            )}
          </section>
        </div>
        <AddDomain isUp={isAdding} close={() => setAdding(false)} offReason={offReason} />
      </div>
    </>
  )
}

function isLike(domain: Domain, words: string): boolean {
  const { domain: name, names, tunnel } = domain
  return hasWords([name, readable(name), ...names, tunnel, domainStanding(domain).word], words)
}

function Rows({ domains, remove, now }: ListProps & { now: number }) {
  const columns: readonly Column<Domain>[] = [
    {
      ...{ key: 'name', title: 'Name', head: 'w-name', className: 'c-addr', sortBy: ({ domain }) => domain },
      cell: ({ domain, names }) => (
        <>
          <span className="addr">
            <Link className="plain" href={domainHref(domain)}>
              {domain}
            </Link>
            <Copy text={domain} />
          </span>
          {names.length > 1 && <small>and {names.slice(1).join(', ')}</small>}
        </>
      ),
    },
    {
      ...{
        key: 'state',
        title: 'State',
        head: 'w-state',
        className: 'full',
        sortBy: domain => domainStanding(domain).word,
      },
      cell: domain => {
        const { mark, tone, word, detail } = domainStanding(domain)
        return (
          <div className="state">
            <Mark name={mark} tone={tone} />
            <div>
              <b>{word}</b>
              <small>{detail}</small>
            </div>
          </div>
        )
      },
    },
    {
      ...{ key: 'certificate', title: 'Certificate', head: 'w-days', className: 'cert full' },
      sortBy: domain => lifeLeft(domain, now)?.days ?? -1,
      cell: domain => <Days domain={domain} now={now} />,
    },
    {
      ...{ key: 'renews', title: 'Renews', head: 'w-renews', className: 'c-renews muted off' },
      cell: domain => <span className="faint">{nextText(domain, now)}</span>,
    },
    {
      ...{ key: 'tunnel', title: 'Tunnel', className: 'off', sortBy: ({ tunnel }) => tunnel },
      cell: ({ tunnel, isBase }) =>
        tunnel === '' ? (
          <span className="faint">{isBase ? 'pbt itself' : 'no tunnel'}</span>
        ) : (
          <Link className="plain one-line" href={tunnelHref(tunnel)} title={tunnel}>
            {readable(tunnel)}
          </Link>
        ),
    },
    {
      ...{ key: 'acts', title: 'Acts', isHidden: true, head: 'w-menu', className: 'num c-act' },
      cell: domain => <Acts domain={domain} remove={remove} />,
    },
  ]
  return (
    <Table
      label="Domains"
      rows={domains}
      columns={columns}
      keyOf={({ domain }) => domain}
      firstSort="name"
      className="dom"
    />
  )
}

function Days({ domain, now }: { domain: Domain; now: number }) {
  const life = lifeLeft(domain, now)
  if (life === undefined) return <span className="faint">none</span>
  return (
    <div className="days">
      <span>{life.text}</span>
      <span className="bar">
        <i style={{ width: `${Math.round(life.share * 100)}%` }} />
      </span>
    </div>
  )
}

function Acts({ domain, remove }: { domain: Domain; remove: (domain: Domain) => void }) {
  const router = useRouter()
  const because = useNoContact()
  const { retry } = useRetry(domain.domain)
  const items: MenuItem[] = [
    { key: 'look', label: 'Records and checks', icon: 'lines', run: () => router.push(domainHref(domain.domain)) },
    // Nothing is due for one that has its certificate.
    ...(domain.state === Domain_State.ISSUED
      ? []
      : [{ key: 'retry', label: 'Try now', icon: 'again' as const, run: retry }]),
    ...(domain.isBase
      ? []
      : [{ key: 'remove', label: 'Remove…', icon: 'cross' as const, run: () => remove(domain), isDanger: true }]),
  ]
  return <Menu label={`Acts on ${domain.domain}`} items={items} because={because} />
}
