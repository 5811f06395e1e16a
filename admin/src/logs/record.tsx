'use client'
// One record in full, beside the list, or over it where there is no room.
import Link from 'next/link'
import { useLayoutEffect } from 'react'
import { Icon } from '../components/icon'
import { useMedia } from '../components/media'
import { useBackCloses } from '../components/over'
import { Copy, Ip } from '../components/parts'
import { useLive } from '../live/live'
import { bytes } from '../words/bytes'
import { readable } from '../words/idn'
import { clockWithSeconds, day } from '../words/time'
import { endOf, type Row } from './feed'
import { REFUSED } from './filter'
import { TurnedAway } from './turned-away'
import { endingOf, jsonOf, titleOf, tookOf, whatOf } from './words'

/** Else it stands beside the list. */
const OVER_THE_PAGE = '(max-width: 1180px)'

export interface RecordProps {
  readonly row: Extract<Row, { kind: 'record' }>
  readonly close: () => void
  /** To the next newer or older one. */
  readonly walk: (step: number) => void
  readonly narrow: (token: string) => void
}

export function RecordSheet({ row: { record }, close, walk, narrow }: RecordProps) {
  const { tunnel, peer } = record
  useEscape(close)
  useBackCloses(useMedia(OVER_THE_PAGE), close)
  const json = jsonOf(record)
  return (
    <aside className="sheet" id="record" aria-labelledby="record-title">
      <Head ended={endOf(record)} close={close} walk={walk} />
      <h2 id="record-title">{titleOf(record)}</h2>
      <p className="muted small">
        {record.reason === '' ? endingOf(record).text : <code>{endingOf(record).text}</code>}, after {tookOf(record)}
      </p>
      {REFUSED.has(record.reason) && <TurnedAway record={record} />}
      <FactList record={record} />
      <div className="row wrap acts">
        <button type="button" className="btn" onClick={() => narrow(`from:${peer}`)}>
          Only this visitor
        </button>
        {tunnel !== '' && (
          <button type="button" className="btn" onClick={() => narrow(`tunnel:${tunnel}`)}>
            Only this tunnel
          </button>
        )}
        {!REFUSED.has(record.reason) && <ExplainLink tunnel={tunnel} peer={peer} />}
      </div>
      <details>
        <summary className="small muted">The record as JSON</summary>
        <div className="cmd bare">
          <span>{json}</span>
          <Copy text={json} />
        </div>
      </details>
    </aside>
  )
}

function useEscape(close: () => void): void {
  // As soon as it is seen, not a moment later: a key at once is one too.
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => event.key === 'Escape' && close()
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [close])
}

function Head({ ended, close, walk }: Pick<RecordProps, 'close' | 'walk'> & { readonly ended: number }) {
  return (
    <div className="row between">
      <span className="small muted">
        {day(ended)} {clockWithSeconds(ended)}.{String(ended % 1_000).padStart(3, '0')}
      </span>
      <div className="row none">
        <button type="button" className="btn quiet square" aria-label="Newer record" onClick={() => walk(-1)}>
          <Icon name="down" className="turned" />
        </button>
        <button type="button" className="btn quiet square" aria-label="Older record" onClick={() => walk(1)}>
          <Icon name="down" />
        </button>
        <button type="button" className="btn quiet square" aria-label="Close" onClick={close}>
          <Icon name="cross" />
        </button>
      </div>
    </div>
  )
}

function FactList({ record }: { record: RecordProps['row']['record'] }) {
  const { tunnel, peer, kind, bytesIn, bytesOut, reason } = record
  const you = useLive(live => live.server?.yourAddress)
  return (
    <dl className="facts">
      <dt>Visitor</dt>
      <dd>
        <Ip text={peer} /> {peer === you && <span className="tag you">you</span>}
      </dd>
      <dt>What</dt>
      <dd>
        <code className="wraps">{whatOf(record)}</code>
      </dd>
      <dt>Tunnel</dt>
      <dd>
        {tunnel === '' ? 'none' : <Link href={`/tunnel?name=${encodeURIComponent(tunnel)}`}>{readable(tunnel)}</Link>}
      </dd>
      <dt>Kind</dt>
      <dd>{kind}</dd>
      <dt>In / out</dt>
      <dd>
        {bytes(bytesIn)} / {bytes(bytesOut)}
      </dd>
      <dt>Ended</dt>
      <dd>{reason === '' ? 'complete' : <code>{reason}</code>}</dd>
    </dl>
  )
}

/** Of the tunnel's first address. */
function ExplainLink({ tunnel, peer }: { tunnel: string; peer: string }) {
  const address = useLive(live => live.tunnels.get(tunnel)?.addresses[0]?.address)
  if (address === undefined || address === '') return null
  return (
    <Link className="btn" href={`/explain?address=${encodeURIComponent(address)}&from=${encodeURIComponent(peer)}`}>
      Explain
    </Link>
  )
}
