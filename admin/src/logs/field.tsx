'use client'
// The filter field: tokens that were entered stand as such, and go one by one; below it, what can be asked for.
import { type FocusEvent, type KeyboardEvent, useMemo, useRef, useState } from 'react'
import { Icon } from '../components/icon'
import { useLive } from '../live/live'
import type { Live } from '../live/state'
import { ENDINGS, isEnding, tokensOf } from './filter'
import { type Hint, hintsFor } from './hints'

export interface FieldProps {
  readonly text: string
  readonly setText: (text: string) => void
  /** Tokens that mean nothing. */
  readonly wrong: readonly string[]
}

const tunnelsOf = (live: Live) => live.tunnels

export function Field({ text, setText, wrong }: FieldProps) {
  const tokens = tokensOf(text)
  const [draft, setDraft] = useState('')
  const [isOpen, setOpen] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  const place = useRef<HTMLDivElement>(null)
  const isGivenUp = useRef(false)
  const without = (index: number) => {
    setText(tokens.filter((_token, at) => at !== index).join(' '))
    input.current?.focus()
  }
  const giveUp = () => {
    isGivenUp.current = true
    input.current?.blur()
  }
  const take = (words = draft) => {
    setOpen(false)
    setDraft('')
    // The panel's own words, as they stand beside the figures.
    const asked = tokensOf(words.replace(/\bturned away\b/gi, ENDINGS.refused))
    // Nothing is both turned away and failed.
    const kept = asked.some(isEnding) ? tokens.filter(token => !isEnding(token)) : tokens
    if (asked.length > 0) setText([...kept, ...asked].join(' '))
    // The keyboard of a phone would hide what was found.
    if (isByFinger() && document.activeElement === input.current) giveUp()
  }
  const choose = (token: string) => {
    // Chosen by keys, it goes, and the focus with it.
    input.current?.focus()
    take(token)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter' || (event.key === ' ' && draft.includes(':'))) {
      event.preventDefault()
      take()
    } else if (event.key === 'Backspace' && draft === '' && tokens.length > 0) {
      event.preventDefault()
      without(tokens.length - 1)
    } else if (event.key === 'Escape') {
      giveUp()
    }
  }
  const onBlur = ({ relatedTarget }: FocusEvent) => {
    if (!place.current?.contains(relatedTarget)) take(isGivenUp.current ? '' : draft)
    isGivenUp.current = false
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the focus goes through it
    <div className="tokens-place" ref={place} onBlur={onBlur}>
      <div className="input tokens">
        <Icon name="search" small />
        {tokens.map((token, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the same word may stand twice
          <Token text={token} isWrong={wrong.includes(token)} remove={() => without(index)} key={`${token} ${index}`} />
        ))}
        <input
          ref={input}
          value={draft}
          onChange={event => {
            setDraft(event.target.value)
            setOpen(true)
          }}
          onFocus={() => setOpen(true)}
          onKeyDown={onKeyDown}
          aria-label="Filter"
          placeholder={tokens.length === 0 ? 'A tunnel, an address, a word' : ''}
          data-filter
          enterKeyHint="search"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
        />
        <span className="kbd hide-phone">/</span>
      </div>
      {isOpen && <Hints draft={draft} tokens={tokens} choose={choose} />}
    </div>
  )
}

function isByFinger(): boolean {
  return matchMedia('(pointer: coarse)').matches
}

interface HintsProps {
  readonly draft: string
  readonly tokens: readonly string[]
  readonly choose: (token: string) => void
}

function Hints({ draft, tokens, choose }: HintsProps) {
  const tunnels = useLive(tunnelsOf)
  const names = useMemo(() => [...(tunnels?.keys() ?? [])], [tunnels])
  const hints = hintsFor(draft, tokens, names)
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset draws a frame
    <div className="hints" role="group" aria-label="Suggestions">
      {hints.map(hint => (
        <HintButton hint={hint} choose={choose} key={hint.token} />
      ))}
      <p className="tiny muted">
        Also <code>from:203.0.113.7</code> <code>answer:404</code> <code>answer:5xx</code> <code>kind:tcp</code>; a{' '}
        <code>-</code> before one leaves it out.
      </p>
    </div>
  )
}

function HintButton({ hint: { token, word }, choose }: { hint: Hint; choose: (token: string) => void }) {
  return (
    // A press must not take the focus from the field, which would take what was typed so far.
    <button type="button" onPointerDown={event => event.preventDefault()} onClick={() => choose(token)}>
      <span>{word}</span>
      {token.includes(':') && word !== token && <code className="faint">{token}</code>}
    </button>
  )
}

function Token({ text, isWrong, remove }: { text: string; isWrong: boolean; remove: () => void }) {
  return (
    <span className={`tok ${isWrong ? 'wrong' : ''}`}>
      {text}
      <button type="button" aria-label={`Remove ${text}`} onClick={remove}>
        <Icon name="cross" />
      </button>
    </span>
  )
}
