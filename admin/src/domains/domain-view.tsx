'use client'
// One domain: its records with a tick for each that is seen, the checks before an order, and what happened.
import { type CheckDomainResponse, type Domain, Domain_State } from '@pbt/proto/admin/v1'
import Link from 'next/link'
import { useCallback, useEffect, useState } from 'react'
import { Button } from '../components/button'
import { EventList } from '../components/events'
import { Icon, type IconName } from '../components/icon'
import { PageHead } from '../components/page-head'
import { Command, Copy } from '../components/parts'
import { Steps } from '../components/steps'
import { useSay } from '../components/toast'
import { useLive } from '../live/live'
import { domains } from '../live/services'
import { troubleOf } from '../live/transport'
import {
  certificateText,
  checkSteps,
  checksText,
  domainStanding,
  hasTrouble,
  type SeenRecord,
  seenRecords,
  zoneFile,
} from '../words/domain'
import { eventLines } from '../words/events'
import { sentence } from '../words/sentence'
import { counted } from '../words/time'
import { Trouble, useRetry } from './trouble'

/** How often a domain that waits for records is looked at, milliseconds after the last look. */
const LOOK_MS = 10_000
const HISTORY = 30

interface ViewProps {
  readonly name: string
  /** Undefined: it is not, or no longer, there. */
  readonly domain: Domain | undefined
  readonly remove: () => void
}

export function DomainView({ name, domain, remove }: ViewProps) {
  const { busy, retry } = useRetry(name)
  if (domain === undefined) {
    return (
      <>
        <Crumb name={name} />
        <PageHead title={`${name} is not one of your domains`} tab={name} lead="Add it on the page of all domains." />
      </>
    )
  }
  const { word } = domainStanding(domain)
  const others = domain.names.filter(each => each !== domain.domain)
  return (
    <>
      <Crumb name={name} />
      <PageHead
        title={others.length === 0 ? domain.domain : `${domain.domain} and ${others.join(', ')}`}
        tab={`${word}: ${domain.domain}`}
        lead={leadOf(domain)}
        acts={
          <>
            {!hasTrouble(domain) && domain.state !== Domain_State.ISSUED && (
              <Button onClick={retry} busy={busy} isAct>
                Try now
              </Button>
            )}
            {!domain.isBase && (
              <Button kind="danger" onClick={remove} isAct>
                Remove…
              </Button>
            )}
          </>
        }
      />
      <Road domain={domain} />
      <div className="stack">
        <NoTunnel domain={domain} />
        {hasTrouble(domain) && <Trouble domain={domain} now={Date.now()} isAlone />}
        <Looked domain={domain} key={domain.domain} />
        <History name={domain.domain} />
      </div>
    </>
  )
}

function Crumb({ name }: { name: string }) {
  return (
    <nav className="crumb" aria-label="Where">
      <Link href="/domains">Domains</Link>
      <Icon name="right" small />
      <span>{name}</span>
    </nav>
  )
}

/** The last step, which is not taken here. */
function NoTunnel({ domain: { domain, certificate, tunnel, isBase } }: { domain: Domain }) {
  if (tunnel !== '' || isBase) return null
  return (
    <div className="note next">
      <div className="grow">
        <p>
          {certificate === undefined
            ? 'Meanwhile, or when the certificate is there: a tunnel has to ask for it. On the machine that has the service, with the port of the service:'
            : 'No tunnel serves it yet. On the machine that has the service, with the port of the service:'}
        </p>
        <Command line={`pbt http 3000 --domain ${domain.replace(/^\*\./, 'app.')}`} />
        <p className="small muted">
          A tunnel that has another name already keeps both: give its command one more <code>--domain</code>.
        </p>
      </div>
    </div>
  )
}

function leadOf(domain: Domain): string {
  const { state } = domain
  if (state === Domain_State.ISSUED || state === Domain_State.RENEWING) return certificateText(domain, Date.now())
  if (state === Domain_State.ERROR)
    return 'No new certificate has come. What stands in the way, and what to do, is below.'
  return 'Create these records where its DNS is kept. This page looks every 10 seconds and goes on by itself; you may leave it.'
}

function Road({ domain: { state, certificate, tunnel } }: { domain: Domain }) {
  // An error without a certificate is the CA's: what is missing before an order is waited for.
  const isPending = state === Domain_State.PENDING || state === Domain_State.UNSPECIFIED
  const isProved = certificate !== undefined || !isPending
  const past = [true, isProved, certificate !== undefined, certificate !== undefined && tunnel !== '']
  const here = past.indexOf(false)
  return (
    <ol className="road">
      {['Name', 'Records and checks', 'Certificate', 'Tunnel'].map((title, index) => (
        <li
          className={past[index] ? 'past' : index === here ? 'here' : ''}
          {...(index === here && { 'aria-current': 'step' as const })}
          key={title}
        >
          {past[index] && <Icon name="tick" small />}
          {title}
        </li>
      ))}
    </ol>
  )
}

function Looked({ domain }: { domain: Domain }) {
  const isDone = domain.state === Domain_State.ISSUED
  const { checks, error, isLooking, look } = useChecks(domain.domain, !isDone)
  const seen = seenRecords(domain.records, checks)
  return (
    <>
      <Records seen={seen} domain={domain} />
      <section className="card" aria-labelledby="ck">
        <div className="card-head">
          <h2 id="ck">Checks before the order</h2>
          <p className="push" role="status">
            {isLooking && checks.length === 0 ? 'Looking' : checksText(checks)}
          </p>
          <Button small onClick={look} busy={isLooking && 'Looking'} isAct>
            Check again
          </Button>
        </div>
        {error !== '' && <p className="pad small">{error}</p>}
        <Steps steps={checkSteps(checks)} tight />
      </section>
    </>
  )
}

/** What the checks found last; while a new look is under way, what it has not reached yet stays as it was. */
function useChecks(domain: string, isAgain: boolean) {
  const [checks, setChecks] = useState<readonly CheckDomainResponse[]>([])
  const [error, setError] = useState('')
  const [isLooking, setLooking] = useState(true)
  const [round, setRound] = useState(0)
  const look = useCallback(() => setRound(before => before + 1), [])
  // biome-ignore lint/correctness/useExhaustiveDependencies: each round is another look
  useEffect(() => {
    const end = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const run = async () => {
      setLooking(true)
      const found: CheckDomainResponse[] = []
      for await (const check of domains.checkDomain({ domain }, { signal: end.signal })) {
        found.push(check)
        setChecks(before => [...found, ...before.slice(found.length)])
      }
      setChecks(found)
      setError('')
    }
    run()
      .catch((failure: unknown) => {
        const { what, cure } = troubleOf(failure)
        if (!end.signal.aborted) setError([what, cure].filter(Boolean).map(sentence).join(' '))
      })
      .finally(() => {
        if (end.signal.aborted) return
        setLooking(false)
        if (isAgain) timer = setTimeout(look, LOOK_MS)
      })
    return () => {
      clearTimeout(timer)
      end.abort()
    }
  }, [domain, round, isAgain, look])
  return { checks, error, isLooking, look }
}

const SIGNS = {
  seen: ['is-ok', 'tick', 'Seen.'],
  missing: ['is-wait', 'clock', 'Not seen yet.'],
  wrong: ['is-bad', 'bang', 'Leads elsewhere.'],
  unknown: ['is-wait', 'clock', 'Not looked at yet.'],
} as const satisfies Readonly<Record<SeenRecord['state'], readonly [string, IconName, string]>>

function Records({ seen, domain }: { seen: readonly SeenRecord[]; domain: Domain }) {
  const say = useSay()
  if (seen.length === 0) return null
  const count = seen.filter(({ state }) => state === 'seen').length
  const copyAll = () =>
    navigator.clipboard.writeText(zoneFile(domain.records)).then(
      () => say({ text: 'All records are copied' }),
      () => say({ text: 'The browser does not let this page copy' }),
    )
  return (
    <section className="card" aria-labelledby="rc">
      <div className="card-head">
        <h2 id="rc">
          {count} of {counted(seen.length, 'record')} seen
        </h2>
        <Button small icon="copy" className="push" onClick={copyAll}>
          All as zone file
        </Button>
      </div>
      <div className="pad">
        <ol className="rec">
          <li className="cap" aria-hidden="true">
            <span />
            <span>Type</span>
            <span>Name</span>
            <span>Value</span>
          </li>
          {seen.map(each => (
            <RecordLine seen={each} key={`${each.record.type} ${each.record.name} ${each.record.value}`} />
          ))}
        </ol>
        <p className="small muted above">
          At Cloudflare set all to “DNS only”. Some providers want a name without the domain at its end.
        </p>
      </div>
    </section>
  )
}

function RecordLine({ seen: { record, state, words } }: { seen: SeenRecord }) {
  const [className, icon, word] = SIGNS[state]
  const tone = state === 'wrong' ? 'bad' : state === 'missing' ? 'warn' : ''
  return (
    <li>
      <span className={`sign ${className}`}>
        <Icon name={icon} />
      </span>
      <span className="mono small">{record.type}</span>
      <Part label="Name" text={record.name} />
      <Part label="Value" text={record.value} />
      <p className="under">
        {state === 'seen' ? word : <b className={tone}>{word}</b>} {state === 'seen' ? '' : words}
      </p>
    </li>
  )
}

function Part({ label, text }: { label: string; text: string }) {
  return (
    <div>
      <span className="lab">{label}</span>
      <span className="addr">
        <span title={text}>{text}</span>
        <Copy text={text} />
      </span>
    </div>
  )
}

function History({ name }: { name: string }) {
  const events = useLive(live => live.events) ?? []
  const lines = eventLines(
    events.filter(({ kind, subject }) => kind.startsWith('domain.') && subject === name),
    HISTORY,
  )
  if (lines.length === 0) return null
  return (
    <section className="card" aria-labelledby="hi">
      <div className="card-head">
        <h2 id="hi">What happened</h2>
      </div>
      <div className="pad">
        <EventList lines={lines} />
      </div>
    </section>
  )
}
