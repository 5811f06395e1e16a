'use client'
// A domain that the CA refused: what to do, the CA's own words, and when it is tried again.
import type { Domain } from '@pbt/proto/admin/v1'
import Link from 'next/link'
import { Button } from '../components/button'
import { Mark } from '../components/icon'
import { useAct } from '../components/toast'
import { domains } from '../live/services'
import { domainHref } from '../words/domain'
import { sentence } from '../words/sentence'
import { counted, millis, moment } from '../words/time'

/** Has it tried again at once. */
export function useRetry(domain: string): { readonly busy: string | false; readonly retry: () => void } {
  const { busy, run } = useAct()
  const retry = () =>
    run(
      'Trying',
      () => domains.retryDomain({ domain }),
      () => ({ text: `${domain} is tried again` }),
    )
  return { busy, retry }
}

interface TroubleProps {
  readonly domain: Domain
  readonly now: number
  /** On the domain's own page, which has its checks below. */
  readonly isAlone?: boolean
}

export function Trouble({ domain, now, isAlone = false }: TroubleProps) {
  const { busy, retry } = useRetry(domain.domain)
  const { problem, failures, isGivenUp, certificate } = domain
  const at = millis(problem?.time)
  const next = millis(domain.nextTryTime)
  const tried = failures > 1 ? `It failed ${counted(failures, 'time')}` : 'It failed'
  const end = millis(certificate?.endTime)
  const again = isGivenUp || next === undefined ? 'It waits for you' : `Next try by itself ${moment(next, now)}`
  return (
    <section className="card trouble" aria-label={`Trouble with ${domain.domain}`}>
      <div className="card-head">
        <Mark name="bad" tone="bad" />
        <div>
          <h2>
            {domain.domain} {certificate === undefined ? 'has no certificate' : 'could not be renewed'}
          </h2>
          <p>
            {tried}
            {at !== undefined && `, last ${moment(at, now)}`}. {again}.
            {end !== undefined && ` The one that it has is valid until ${moment(end, now)}.`}
          </p>
        </div>
        <div className="row push">
          {!isAlone && (
            <Link className="btn sm" href={domainHref(domain.domain)}>
              Records and checks
            </Link>
          )}
          <Button small kind="primary" onClick={retry} busy={busy} isAct>
            Try now
          </Button>
        </div>
      </div>
      {problem !== undefined && (
        <div className="pad trouble-body">
          <div>
            <h3>What to do</h3>
            <p className="small">
              {problem.cure === '' ? 'Nothing: it is tried again by itself.' : sentence(problem.cure)}
            </p>
            {problem.link !== '' && (
              <p className="small">
                <a href={problem.link} target="_blank" rel="noreferrer">
                  {problem.link}
                </a>
              </p>
            )}
          </div>
          <div>
            <h3>What was said</h3>
            <div className="said mono">{problem.message}</div>
            <p className="tiny faint">{problem.type}</p>
          </div>
        </div>
      )}
    </section>
  )
}
