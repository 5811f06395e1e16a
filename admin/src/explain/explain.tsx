'use client'
// What a visitor meets on the way to an address, step by step; the cure stands inside the step that stops them.
import { useQuery } from '@connectrpc/connect-query'
import {
  type Check,
  Check_State,
  type ExplainResponse,
  ServerService,
  type Tunnel,
  TunnelState,
} from '@pbt/proto/admin/v1'
import Link from 'next/link'
import { type FormEvent, type RefObject, useEffect, useId, useRef } from 'react'
import { useParam } from '../components/address-bar'
import { Button } from '../components/button'
import { useNoContact } from '../components/contact'
import { Mark } from '../components/icon'
import { PageHead } from '../components/page-head'
import { Card, Command, State } from '../components/parts'
import { type Step, Steps } from '../components/steps'
import { TextField } from '../components/text-field'
import { useAllow } from '../dashboard/allow'
import { useLive } from '../live/live'
import type { Live } from '../live/state'
import { troubleOf } from '../live/transport'
import { useTunnelActs } from '../tunnel/acts'
import { checkTitle } from '../words/domain'
import { readable, withReadable } from '../words/idn'
import { tunnelHref } from '../words/links'
import { explain } from '../words/needs'
import { sentence, withClock } from '../words/sentence'
import { commandOf, standingOf } from '../words/tunnel'

/** More are asked for by name. */
const OFFERED = 12

const TITLES: Readonly<Record<string, string>> = {
  name: 'Name',
  dns: 'DNS',
  port: 'Port',
  certificate: 'Certificate',
  tunnel: 'Tunnel',
  allowlist: 'Who may come in',
  client: 'Client',
  target: 'Target',
}

export function Explain() {
  const [address, setAddress] = useParam('address')
  const [from, setFrom] = useParam('from')
  const { data, error, isFetching, refetch } = useQuery(
    ServerService.method.explain,
    { address, peer: from },
    { enabled: address !== '', staleTime: 0, retry: false },
  )
  const ask = (nextAddress: string, nextFrom: string) => {
    setAddress(nextAddress)
    setFrom(nextFrom)
    if (nextAddress === address && nextFrom === from && address !== '') refetch()
  }
  const tab = data === undefined ? 'Explain' : data.isReachable ? 'Reachable' : 'Not reachable'
  return (
    <>
      <PageHead
        title="Explain"
        tab={tab}
        lead="What a visitor meets on the way to one of your addresses, step by step, checked now."
      />
      <Question address={address} from={from} ask={ask} isBusy={isFetching} key={`${address} ${from}`} />
      {error && <Refused error={error} />}
      {data && !error && <Answer answer={data} address={address} from={from} again={() => refetch()} />}
      {address === '' && <Yours />}
    </>
  )
}

/** Before anything is asked: those that are there, what is wrong first. */
function Yours() {
  const tunnels = useLive(live => live.tunnels)
  const all = [...(tunnels?.values() ?? [])].map(tunnel => ({ tunnel, standing: standingOf(tunnel) }))
  const rank = (kind: string) => (kind === 'online' ? 1 : 0)
  const rows = all.toSorted(
    (one, other) =>
      rank(one.standing.kind) - rank(other.standing.kind) || one.tunnel.name.localeCompare(other.tunnel.name),
  )
  return (
    <>
      <p className="muted below">An address is a name, a name with its domain, a URL, or a port.</p>
      {rows.length > 0 && (
        <Card id="yours" title="Or one of yours">
          <ul className="lines">
            {rows.slice(0, OFFERED).map(({ tunnel, standing: { mark, tone, word, detail } }) => (
              <li key={tunnel.name}>
                <div className="grow">
                  <State mark={mark} tone={tone} word={readable(tunnel.name)}>
                    {[word, detail].filter(Boolean).join(', ')}
                  </State>
                </div>
                <Link
                  className="btn sm"
                  href={explain(tunnel.addresses[0]?.address ?? tunnel.name)}
                  aria-label={`Explain ${readable(tunnel.name)}`}
                >
                  Explain
                </Link>
              </li>
            ))}
          </ul>
          {rows.length > OFFERED && <p className="card-foot">{rows.length - OFFERED} more: type their name above.</p>}
        </Card>
      )}
    </>
  )
}

interface QuestionProps {
  readonly address: string
  readonly from: string
  readonly isBusy: boolean
  readonly ask: (address: string, from: string) => void
}

function Question({ address, from, isBusy, ask }: QuestionProps) {
  const you = useLive(live => live.server?.yourAddress) ?? ''
  const first = useRef<HTMLInputElement>(null)
  const second = useRef<HTMLInputElement>(null)
  useEffect(() => {
    // Somebody who explains nothing yet most likely asks for themselves.
    if (second.current !== null && second.current.value === '' && address === '') second.current.value = you
  }, [you, address])
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const text = first.current?.value.trim() ?? ''
    if (text === '') first.current?.focus()
    else ask(text, second.current?.value.trim() ?? '')
  }
  return (
    <form className="ask card" onSubmit={submit}>
      <AddressField address={address} input={first} />
      <TextField
        label="Visitor"
        hint="if you like"
        className="mono"
        name="from"
        placeholder={you || '203.0.113.7'}
        defaultValue={from}
        ref={second}
        autoComplete="off"
        spellCheck={false}
        suffix={from !== '' && from === you && <span className="tag you">you</span>}
      />
      <Button type="submit" kind="primary" className="tall" busy={isBusy && 'Looking'}>
        Explain
      </Button>
    </form>
  )
}

/** It offers the addresses that are there. */
function AddressField({ address, input }: { address: string; input: RefObject<HTMLInputElement | null> }) {
  const known = useLive(live => live.addresses)
  const list = useId()
  return (
    <TextField
      label="Address"
      className="mono"
      name="address"
      placeholder="myapp or tcp:20022"
      defaultValue={address}
      list={list}
      ref={input}
      data-filter
      autoComplete="off"
      spellCheck={false}
    >
      <datalist id={list}>
        {[...(known?.keys() ?? [])].map(each => (
          <option value={each} key={each} />
        ))}
      </datalist>
    </TextField>
  )
}

function Refused({ error }: { error: unknown }) {
  const { what, cure } = troubleOf(error)
  return (
    <div className="note bad" role="alert">
      <Mark name="bad" tone="bad" />
      <div>
        <p className="strong">{sentence(what)}</p>
        {cure && <p>{sentence(cure)}</p>}
      </div>
    </div>
  )
}

interface AnswerProps {
  readonly answer: ExplainResponse
  readonly address: string
  readonly from: string
  readonly again: () => void
}

function Answer({ answer, address, from, again }: AnswerProps) {
  const { checks, verdict, isReachable } = answer
  const kept = useLive(live => keptAddress(live, address)) ?? address
  const stopped = useLive(live => stoppedAt(live, kept)) ?? undefined
  const stop = checks.findIndex(({ state }) => state === Check_State.FAILED)
  const steps = checks.map((check, index) => stepOf(check, stop >= 0 && index > stop))
  const failed = checks[stop]
  if (failed?.step === 'allowlist' && from !== '') {
    const more = <Allow address={kept} peer={from} done={again} />
    steps[stop] = { ...stepOf(failed, false), more }
  }
  if (failed?.step === 'tunnel' && stopped !== undefined)
    steps[stop] = { ...stepOf(failed, false), more: <Steer tunnel={stopped} done={again} /> }
  return (
    <>
      <div className="verdict" role="status">
        <Mark name={isReachable ? 'ok' : 'bad'} tone={isReachable ? 'ok' : 'bad'} />
        <div>
          <h2>{withReadable(withClock(verdict))}</h2>
          <p className="muted">
            {isReachable
              ? 'Every step that can be seen from the server is fine.'
              : `Step ${stop + 1} of ${checks.length} stops them. The steps after it show what is known of them.`}
          </p>
        </div>
      </div>
      <section className="card" aria-label="Steps">
        <Steps steps={steps} tight />
      </section>
      <p className="small muted above">The same on the server:</p>
      <div className="narrow-line">
        <Command line={`sudo pbt-server explain ${address}${from === '' ? '' : ` --from ${from}`}`} />
      </div>
    </>
  )
}

/** What the server explains: the name of a tunnel stands for its address. */
function keptAddress({ addresses, tunnels }: Live, asked: string): string {
  return addresses.has(asked) ? asked : (tunnels.get(asked)?.addresses[0]?.address ?? asked)
}

/** The tunnel of an address, when the owner has paused or killed it. */
function stoppedAt({ addresses, tunnels }: Live, address: string): Tunnel | null {
  const tunnel = tunnels.get(addresses.get(address)?.tunnel ?? '')
  return tunnel?.state === TunnelState.PAUSED || tunnel?.state === TunnelState.KILLED ? tunnel : null
}

function stepOf({ step, state, message, cure }: Check, isBehind: boolean): Step {
  const common = { key: step, title: TITLES[step] ?? checkTitle(step), detail: withReadable(withClock(message)) }
  if (isBehind && state !== Check_State.NOT_CHECKED) return { ...common, state: 'skips', word: 'not reached' }
  if (state === Check_State.OK) return { ...common, state: 'fine', word: 'fine' }
  if (state === Check_State.FAILED)
    return { ...common, state: 'fails', word: 'stops here', ...(cure !== '' && { more: <p>{sentence(cure)}</p> }) }
  return { ...common, state: 'skips', word: 'not checked' }
}

function Allow({ address, peer, done }: { address: string; peer: string; done: () => void }) {
  const { allow, busy } = useAllow(done)
  const because = useNoContact()
  const tunnel = useLive(live => live.addresses.get(address)?.tunnel)
  return (
    <div className="row wrap">
      <Button kind="primary" busy={busy} {...(because && { because })} onClick={() => allow(address, peer, 8)}>
        Allow for 8 hours
      </Button>
      <Button {...(because && { because })} onClick={() => allow(address, peer, 0)}>
        {`Allow ${peer}`}
      </Button>
      {tunnel !== undefined && tunnel !== '' && (
        <Link className="btn" href={tunnelHref(tunnel)}>
          Edit the list
        </Link>
      )}
    </div>
  )
}

/** Visitors are turned away because the owner said so. */
function Steer({ tunnel, done }: { tunnel: Tunnel; done: () => void }) {
  const { name, state } = tunnel
  const acts = useTunnelActs()
  const because = useNoContact()
  const common = { kind: 'primary', icon: 'play', busy: acts.busy, ...(because && { because }) } as const
  if (state === TunnelState.PAUSED)
    return <Button {...common} onClick={() => acts.resume(name, done)}>{`Resume ${readable(name)}`}</Button>
  return (
    <div className="stack-xs">
      <div>
        <Button {...common} onClick={() => acts.start(name, done)}>{`Start ${readable(name)} again`}</Button>
      </div>
      <p>{`Where no daemon serves it, run then on ${tunnel.clientLabel || 'its machine'}:`}</p>
      <Command line={commandOf(tunnel)} />
    </div>
  )
}
