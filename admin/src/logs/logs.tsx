'use client'
// The log: who came, what they got and why; live, or held while one reads.
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { useChoice, useParam } from '../components/address-bar'
import { Button } from '../components/button'
import { Icon, Mark } from '../components/icon'
import { useKeys } from '../components/keys'
import { PageHead } from '../components/page-head'
import { useAct } from '../components/toast'
import { clockWithSeconds, counted } from '../words/time'
import { Bars, type Ending } from './bars'
import { exportRecords, MOST } from './export'
import { Feed, type Row } from './feed'
import { Field } from './field'
import { ENDINGS, filterOf, isEnding, tokensOf } from './filter'
import { RecordSheet } from './record'
import { Rows } from './rows'

const MINUTE = 60_000
const RANGES: Readonly<Record<string, readonly [ms: number, title: string]>> = {
  '15m': [15 * MINUTE, 'last 15 minutes'],
  '1h': [60 * MINUTE, 'last hour'],
  '24h': [24 * 60 * MINUTE, 'last 24 hours'],
  '7d': [7 * 24 * 60 * MINUTE, 'last 7 days'],
  '30d': [30 * 24 * 60 * MINUTE, 'last 30 days'],
}
const USUAL = '1h'

/** The feed of this filter and span, and what it has. */
function useFeed(text: string, range: string, until: number | undefined) {
  const filter = useMemo(() => filterOf(text), [text])
  const listeners = useRef(new Set<() => void>())
  const made = useMemo(() => {
    const [length] = RANGES[range] ?? RANGES[USUAL] ?? [60 * MINUTE]
    const start = (until ?? Date.now()) - length
    const tellAll = () => {
      for (const tell of listeners.current) tell()
    }
    return { start, feed: new Feed(filter, { start, end: until }, tellAll) }
  }, [filter, range, until])
  const { feed, start } = made
  useEffect(() => {
    feed.start()
    return () => feed.stop()
  }, [feed])
  const subscribe = useCallback((tell: () => void) => {
    listeners.current.add(tell)
    return () => listeners.current.delete(tell)
  }, [])
  const state = useSyncExternalStore(
    subscribe,
    () => feed.state,
    () => feed.state,
  )
  return { feed, state, start, filter }
}

/** The filter's text. Links of other pages name a tunnel or a visitor by a parameter of its own. */
function useText(): readonly [text: string, set: (text: string) => void] {
  const [q, setQ] = useParam('q')
  const [tunnel, setTunnel] = useParam('tunnel')
  const [from, setFrom] = useParam('from')
  const [reason, setReason] = useParam('reason')
  const named = [tunnel && `tunnel:${tunnel}`, from && `from:${from}`, reason && 'answer:refused']
  const text = [...named, q].filter(Boolean).join(' ')
  const set = (next: string) => {
    for (const clear of [setTunnel, setFrom, setReason]) clear('')
    setQ(next)
  }
  return [text, set]
}

/** Live, or held at a time, which the address has; `end` is where a view that was sent ends: one that is held here goes on behind. */
function useHeld() {
  const [held, setHeld] = useParam('until')
  const [end, setEnd] = useState(() => numberIn(held))
  const heldAt = numberIn(held)
  const hold = () => setHeld(String(Date.now()))
  const goLive = () => {
    setHeld('')
    setEnd(undefined)
  }
  useKeys({ ' ': () => (heldAt === undefined ? hold() : goLive()) })
  return { heldAt, end, hold, goLive }
}

/** The record that is shown in full. */
function useOpen(rows: readonly Row[]) {
  const [open, setOpen] = useState<string>()
  const row = rows.find((each): each is Extract<Row, { kind: 'record' }> => each.kind === 'record' && each.key === open)
  const close = useCallback(() => setOpen(undefined), [])
  const walk = (step: number) => {
    const records = rows.filter(each => each.kind === 'record')
    const at = records.findIndex(({ key }) => key === open)
    setOpen(records[Math.min(records.length - 1, Math.max(0, at + step))]?.key)
  }
  return { open, setOpen, row, close, walk }
}

export function Logs() {
  const [text, setText] = useText()
  const [range, setRange] = useChoice('range', RANGES, USUAL)
  const { heldAt, end, hold, goLive } = useHeld()
  const { feed, state, start, filter } = useFeed(text, range, end)
  const { open, setOpen, row, close, walk } = useOpen(state.rows)
  const [isAtTop, setAtTop] = useState(true)
  const [isPressed, setPressed] = useState(false)
  useEffect(() => feed.flow(heldAt === undefined && isAtTop && !isPressed), [feed, heldAt, isAtTop, isPressed])
  const narrow = (token: string) => {
    setText(text.split(/\s+/).includes(token) ? text : `${text} ${token}`.trim())
    close()
  }
  const chosen = endingIn(text)
  const choose = (ending: Ending | undefined) => {
    const others = tokensOf(text).filter(token => !isEnding(token))
    setText([...others, ...(ending === undefined ? [] : [ENDINGS[ending]])].join(' '))
  }
  return (
    <>
      <PageHead
        title="Logs"
        tab={heldAt === undefined ? 'Logs' : `Held ${clockWithSeconds(heldAt)} · Logs`}
        acts={<Export run={() => exportRecords(filter, start, heldAt ?? Date.now())} />}
      />
      <div className="filters">
        <Field text={text} setText={setText} wrong={filter.wrong} />
        <Range range={range} setRange={setRange} />
        <Switch isHeld={heldAt !== undefined} isLive={state.isLive} hold={hold} goLive={goLive} />
      </div>
      {filter.wrong.length > 0 && <Wrong tokens={filter.wrong} />}
      {heldAt !== undefined && <Held at={heldAt} waiting={state.waiting} isFixed={end !== undefined} show={goLive} />}
      {filter.isOfTunnel && (
        <Bars
          tunnel={filter.asked.tunnel ?? ''}
          start={start}
          {...(heldAt !== undefined && { end: heldAt })}
          {...{ chosen, choose }}
          word={`in the ${RANGES[range]?.[1] ?? ''}`}
        />
      )}
      <Rows
        {...{ open, setOpen }}
        feed={state}
        onTop={setAtTop}
        goOn={feed.goOn}
        onPress={setPressed}
        newer={heldAt === undefined && !isAtTop && state.waiting > 0 && <Newer waiting={state.waiting} show={toTop} />}
      />
      {row && <RecordSheet row={row} close={close} walk={walk} narrow={narrow} />}
    </>
  )
}

function endingIn(text: string): Ending | undefined {
  const tokens = tokensOf(text)
  return tokens.includes(ENDINGS.refused) ? 'refused' : tokens.includes(ENDINGS.failed) ? 'failed' : undefined
}

/** There, newer rows come in by themselves. */
function toTop(): void {
  document.querySelector('.vlog-frame')?.scrollTo(0, 0)
  scrollTo(0, 0)
}

function numberIn(text: string): number | undefined {
  return /^\d{12,14}$/.test(text) ? Number(text) : undefined
}

function Range({ range, setRange }: { range: string; setRange: (range: string) => void }) {
  return (
    <label className="input choice">
      <span className="sr">Time</span>
      <Icon name="clock" small />
      <select value={range} onChange={event => setRange(event.target.value)}>
        {Object.entries(RANGES).map(([key, [, title]]) => (
          <option value={key} key={key}>
            {title.charAt(0).toUpperCase() + title.slice(1)}
          </option>
        ))}
      </select>
    </label>
  )
}

interface SwitchProps {
  readonly isHeld: boolean
  readonly isLive: boolean
  readonly hold: () => void
  readonly goLive: () => void
}

function Switch({ isHeld, isLive, hold, goLive }: SwitchProps) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset draws a frame
    <div className="seg" role="group" aria-label="Live or held">
      <button type="button" aria-pressed={!isHeld} onClick={goLive}>
        <Mark name={!isHeld && isLive ? 'ok' : 'off'} tone={!isHeld && isLive ? 'ok' : ''} />
        Live
      </button>
      <button type="button" aria-pressed={isHeld} onClick={hold}>
        <Icon name="pause" small />
        Hold
      </button>
    </div>
  )
}

function Wrong({ tokens }: { tokens: readonly string[] }) {
  return (
    <p className="note above-list" role="status">
      {tokens.map(token => (
        <code key={token}>{token} </code>
      ))}
      means nothing here: after answer: comes 404, 4xx, refused, failed or a code such as not-allowed; after kind: http,
      websocket, upgrade, tcp or udp.
    </p>
  )
}

function Held({ at, waiting, isFixed, show }: { at: number; waiting: number; isFixed: boolean; show: () => void }) {
  const words = isFixed
    ? 'What came later is not shown'
    : waiting === 0
      ? 'Nothing newer has come'
      : `${counted(waiting, 'newer record')} ${waiting === 1 ? 'waits' : 'wait'}`
  return (
    <div className="note above-list" role="status">
      <Icon name="pause" small />
      <span className="grow">
        Held at {clockWithSeconds(at)}. <b>{words}</b>; nothing moves while you read.
      </span>
      <Button small onClick={show}>
        {isFixed || waiting === 0 ? 'Go on live' : 'Show them'}
      </Button>
    </div>
  )
}

function Newer({ waiting, show }: { waiting: number; show: () => void }) {
  return (
    <div className="vlog-newer">
      <Button small onClick={show}>
        {counted(waiting, 'newer record')} above
      </Button>
    </div>
  )
}

function Export({ run }: { run: () => Promise<number> }) {
  const { busy, run: act } = useAct()
  const start = () =>
    act('Exporting', run, count => ({
      text: `${counted(count, 'record')} exported${count >= MOST ? '; for more: pbt-server log --json' : ''}.`,
    }))
  return (
    <Button icon="save" busy={busy} onClick={start}>
      Export JSONL
    </Button>
  )
}
