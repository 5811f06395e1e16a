'use client'
// The answer in a sentence, why not all of it, and the totals of now.
import { useEffect, useState } from 'react'
import { useIsLost } from '../components/contact'
import { Mark } from '../components/icon'
import { useTabTitle } from '../components/page-head'
import { useLive } from '../live/live'
import type { Live } from '../live/state'
import { sized } from '../words/bytes'
import { headlineOf, whyNot } from '../words/headline'

/** A reader hears the headline at most so often, milliseconds. */
const SPOKEN_MS = 10_000

const tunnelsOf = (live: Live) => live.tunnels
const clientsOf = (live: Live) => live.clients
const NONE: Live['clients'] = new Map()

export function Headline() {
  const tunnels = [...(useLive(tunnelsOf)?.values() ?? [])]
  const clients = useLive(clientsOf) ?? NONE
  const isLost = useIsLost()
  const { title, tab } = headlineOf(tunnels, isLost)
  useTabTitle(isLost ? 'No contact' : tab)
  const sum = (of: (tunnel: (typeof tunnels)[number]) => number) => tunnels.reduce((all, each) => all + of(each), 0)
  return (
    <div className="hero">
      <div>
        <h1>{title}</h1>
        <Spoken text={title} />
        <p className="sum">
          {whyNot(tunnels, clients).map(({ mark, tone, text }) => (
            <span key={text}>
              <Mark name={mark} tone={tone} />
              {text}
            </span>
          ))}
        </p>
      </div>
      <dl className="now">
        <div>
          <dt>{isLost ? 'Open then' : 'Open now'}</dt>
          <dd>{sum(each => each.openConnections)}</dd>
        </div>
        <Rate word="In" perSecond={sum(each => each.bytesInRate)} />
        <Rate word="Out" perSecond={sum(each => each.bytesOutRate)} />
      </dl>
    </div>
  )
}

function Rate({ word, perSecond }: { word: string; perSecond: number }) {
  const [number, unit] = sized(perSecond)
  return (
    <div>
      <dt>{word}</dt>
      <dd>
        {number} <small>{unit}/s</small>
      </dd>
    </div>
  )
}

function Spoken({ text }: { text: string }) {
  const [said, setSaid] = useState({ text, at: 0 })
  useEffect(() => {
    if (text === said.text) return
    const timer = setTimeout(() => setSaid({ text, at: Date.now() }), Math.max(0, said.at + SPOKEN_MS - Date.now()))
    return () => clearTimeout(timer)
  }, [text, said])
  return (
    <span className="sr" aria-live="polite">
      {said.at === 0 ? '' : said.text}
    </span>
  )
}
