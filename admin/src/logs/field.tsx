'use client'
// The filter field: tokens that were entered stand as such, and go one by one.
import { type KeyboardEvent, useRef, useState } from 'react'
import { Icon } from '../components/icon'
import { tokensOf } from './filter'

export interface FieldProps {
  readonly text: string
  readonly setText: (text: string) => void
  /** Tokens that mean nothing. */
  readonly wrong: readonly string[]
}

export function Field({ text, setText, wrong }: FieldProps) {
  const tokens = tokensOf(text)
  const [draft, setDraft] = useState('')
  const input = useRef<HTMLInputElement>(null)
  const without = (index: number) => {
    setText(tokens.filter((_token, at) => at !== index).join(' '))
    input.current?.focus()
  }
  const take = () => {
    if (draft.trim() === '') return
    setText([...tokens, ...tokensOf(draft)].join(' '))
    setDraft('')
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter' || (event.key === ' ' && draft.includes(':'))) {
      event.preventDefault()
      take()
    } else if (event.key === 'Backspace' && draft === '' && tokens.length > 0) {
      event.preventDefault()
      without(tokens.length - 1)
    } else if (event.key === 'Escape') {
      setDraft('')
      input.current?.blur()
    }
  }
  return (
    <div className="input tokens">
      <Icon name="search" small />
      {tokens.map((token, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the same word may stand twice
        <Token text={token} isWrong={wrong.includes(token)} remove={() => without(index)} key={`${token} ${index}`} />
      ))}
      <input
        ref={input}
        value={draft}
        onChange={event => setDraft(event.target.value)}
        onKeyDown={onKeyDown}
        onBlur={take}
        aria-label="Filter"
        placeholder={tokens.length === 0 ? 'tunnel:  from:  answer:  kind:  or words' : ''}
        data-filter
        autoComplete="off"
        spellCheck={false}
      />
      <span className="kbd hide-phone">/</span>
    </div>
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
