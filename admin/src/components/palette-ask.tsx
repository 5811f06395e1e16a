'use client'
// The field and the hits of "Go to or do", loaded when it is first opened.
import type { Tunnel } from '@pbt/proto/admin/v1'
import { useRouter } from 'next/navigation'
import { type KeyboardEvent, type RefObject, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { useLive } from '../live/live'
import type { Live } from '../live/state'
import { useTunnelActs } from '../tunnel/acts'
import { find, type Hit } from '../words/find'
import { Icon, Mark } from './icon'
import { useLogout } from './logout'
import { useMedia } from './media'
import { toggleTheme } from './theme'
import { useSay } from './toast'

const all = (live: Live) => live

export interface AskProps {
  /** What was typed before it was there. */
  readonly early: RefObject<string>
  readonly close: () => void
  readonly kill: (tunnel: Tunnel) => void
  readonly showKeys: () => void
}

export function Ask(props: AskProps) {
  const live = useLive(all)
  const [typed, setTyped] = useState(() => props.early.current)
  const [at, setAt] = useState(0)
  // Where there is a finger and no pointer there are no keys.
  const hasKeys = useMedia('(any-hover: hover)')
  const hits = useMemo(
    () => find(live, typed).filter(({ act }) => hasKeys || act?.kind !== 'keys'),
    [live, typed, hasKeys],
  )
  const chosen = Math.min(at, hits.length - 1)
  const list = useRef<HTMLDivElement>(null)
  const open = useOpen(props)
  const field = useRef<HTMLInputElement>(null)
  // The dialog was there before the field was loaded, and has taken the focus itself.
  useLayoutEffect(() => field.current?.focus(), [])
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step !== 0) {
      event.preventDefault()
      const next = (chosen + step + hits.length) % Math.max(1, hits.length)
      setAt(next)
      list.current?.querySelectorAll('[role="option"]')[next]?.scrollIntoView({ block: 'nearest' })
    }
    const hit = hits[chosen]
    if (event.key === 'Enter' && hit !== undefined) {
      event.preventDefault()
      open(hit, event.metaKey || event.ctrlKey)
    }
  }
  return (
    <>
      <div className="ask">
        <Icon name="search" />
        <input
          role="combobox"
          ref={field}
          aria-expanded="true"
          aria-controls="hits"
          aria-activedescendant={hits[chosen] ? `hit-${chosen}` : undefined}
          aria-label="Go to or do"
          placeholder="Tunnel, address, page or action"
          autoComplete="off"
          spellCheck={false}
          value={typed}
          onChange={event => {
            setTyped(event.target.value)
            setAt(0)
          }}
          onKeyDown={onKey}
        />
        <button type="button" className="btn quiet sm" aria-label="Close, esc" onClick={props.close}>
          <span className="kbd hide-phone">esc</span>
          <span className="only-phone">
            <Icon name="cross" />
          </span>
        </button>
      </div>
      <Hits hits={hits} typed={typed} chosen={chosen} open={hit => open(hit, false)} list={list} />
      <p className="keys">
        <span>↑ ↓ choose</span>
        <span>↵ open</span>
        <span className="push">An IP address typed here is explained</span>
      </p>
    </>
  )
}

interface HitsProps {
  readonly hits: readonly Hit[]
  readonly typed: string
  /** Its place among them. */
  readonly chosen: number
  readonly open: (hit: Hit) => void
  readonly list: RefObject<HTMLDivElement | null>
}

/** In groups, which stand in the order of their first hits. */
function Hits({ hits, typed, chosen, open, list }: HitsProps) {
  const groups = [...new Set(hits.map(({ group }) => group))]
  return (
    <div className="hitlist" id="hits" role="listbox" aria-label="Results" ref={list}>
      {groups.map(group => (
        <fieldset className="group" aria-label={group} key={group}>
          <p className="cap" aria-hidden="true">
            {group}
          </p>
          {hits.map((hit, index) =>
            hit.group === group ? (
              <HitRow
                hit={hit}
                typed={typed}
                id={`hit-${index}`}
                isChosen={index === chosen}
                open={() => open(hit)}
                key={hit.key}
              />
            ) : null,
          )}
        </fieldset>
      ))}
      {hits.length === 0 && <p className="cap">Nothing has that name.</p>}
    </div>
  )
}

interface HitRowProps {
  readonly hit: Hit
  readonly typed: string
  readonly id: string
  readonly isChosen: boolean
  readonly open: () => void
}

function HitRow({ hit, typed, id, isChosen, open }: HitRowProps) {
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the focus and its keys choose
    // biome-ignore lint/a11y/useFocusableInteractive: the same
    <div className="hit" id={id} role="option" aria-selected={isChosen} onClick={open}>
      {hit.mark ? <Mark name={hit.mark} tone={hit.tone ?? ''} /> : <Icon name={hit.icon ?? 'right'} />}
      <span>
        <span className={hit.group === 'Do' ? '' : 'strong'}>
          <Marked text={hit.title} typed={typed} />
        </span>{' '}
        <span className="muted">{hit.detail}</span>
      </span>
      {isChosen && <span className="kbd push hide-phone">↵</span>}
    </div>
  )
}

/** What was typed stands out in what was found. */
function Marked({ text, typed }: { text: string; typed: string }) {
  const word = typed.trim().toLowerCase()
  const at = word === '' ? -1 : text.toLowerCase().indexOf(word)
  if (at < 0) return text
  const end = at + word.length
  return (
    <>
      {text.slice(0, at)}
      <mark>{text.slice(at, end)}</mark>
      {text.slice(end)}
    </>
  )
}

/** What a hit does when it is chosen. */
function useOpen({ close, kill, showKeys }: AskProps) {
  const router = useRouter()
  const acts = useTunnelActs()
  const logout = useLogout()
  const say = useSay()
  const tunnels = useLive(live => live.tunnels)
  return ({ href, act }: Hit, isNewTab: boolean) => {
    close()
    if (href !== undefined) {
      if (isNewTab) window.open(href, '_blank', 'noopener')
      else router.push(href)
    }
    if (act === undefined) return
    const { kind, value } = act
    const doings: Record<typeof kind, () => void> = {
      copy: () => {
        navigator.clipboard.writeText(value).then(
          () => say({ text: `${value} is copied` }),
          () => say({ text: 'This browser did not allow to copy' }),
        )
      },
      pause: () => acts.pause(value),
      resume: () => acts.resume(value),
      start: () => acts.start(value),
      kill: () => {
        const tunnel = tunnels?.get(value)
        if (tunnel !== undefined) kill(tunnel)
      },
      ...{ theme: toggleTheme, keys: showKeys, logout },
    }
    doings[kind]()
  }
}
