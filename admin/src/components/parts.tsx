'use client'
// Small parts that every page has: a copy button, an address, a command, a state.
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { readable } from '../words/idn.ts'
import { announce } from './announce'
import { Icon, Mark, type MarkName, type Tone } from './icon'
import { useSay } from './toast'

/** A tick stands so long after copying, milliseconds. */
const COPIED_MS = 1_500

/** Puts a text on the clipboard and says so; `stays`: for as long as it is shown, for what is shown only once. */
export function Copy({
  text,
  label = `Copy ${text}`,
  stays = false,
}: {
  text: string
  label?: string
  stays?: boolean
}) {
  const [isCopied, setCopied] = useState(false)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const say = useSay()
  useEffect(() => () => clearTimeout(timer.current), [])
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => {
        setCopied(true)
        announce('Copied')
        clearTimeout(timer.current)
        if (!stays) timer.current = setTimeout(() => setCopied(false), COPIED_MS)
      },
      () => {
        setCopied(false)
        say({ text: 'The browser does not let this page copy: mark it and copy by hand' })
      },
    )
  }
  return (
    <button type="button" className={`copy ${isCopied ? 'copied' : ''}`} aria-label={label} onClick={copy}>
      <Icon name={isCopied ? 'tick' : 'copy'} small />
    </button>
  )
}

/** An address with its scheme faint; a link where it can be opened. */
export function Address({ url }: { url: string }) {
  const shown = addressText(url)
  const [, scheme = '', rest = shown] = /^(https?:\/\/)(.*)$/.exec(shown) ?? []
  return (
    <span className="addr">
      {scheme === '' ? (
        <span title={shown}>{rest}</span>
      ) : (
        <a className="plain" title={shown} href={url} target="_blank" rel="noreferrer">
          <i>{scheme}</i>
          {readable(rest)}
        </a>
      )}
      <Copy text={shown} />
    </span>
  )
}

/** As it is typed: without tcp:// and udp://, which no program takes. */
export function addressText(url: string): string {
  return url.replace(/^(?:tcp|udp):\/\//, '')
}

/** An IP address or block, to be copied. */
export function Ip({ text }: { text: string }) {
  return (
    <span className="addr">
      <span title={text}>{text}</span>
      <Copy text={text} />
    </span>
  )
}

/** A line to run. */
export function Command({ line, stays }: { line: string; stays?: boolean }) {
  return (
    <div className="cmd">
      <span>{line}</span>
      <Copy text={line} stays={stays} />
    </div>
  )
}

/** Mark, word and second line. */
export function State({
  mark,
  tone = '',
  word,
  children,
}: {
  mark: MarkName
  tone?: Tone
  word: string
  children?: ReactNode
}) {
  return (
    <div className="state">
      <Mark name={mark} tone={tone} />
      <div>
        <b>{word}</b>
        {children && <small>{children}</small>}
      </div>
    </div>
  )
}

/** A card with its heading. */
export function Card({
  id,
  title,
  aside,
  className = '',
  children,
}: {
  id: string
  title: ReactNode
  aside?: ReactNode
  className?: string
  children: ReactNode
}) {
  return (
    <section className={`card ${className}`} aria-labelledby={id}>
      <div className="card-head">
        <h2 id={id}>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  )
}
