// Steps one after the other: what is fine is one line, what waits or fails says why and has its cure inside.
import type { ReactNode } from 'react'
import { Icon } from './icon'

export interface Step {
  readonly key: string
  readonly state: 'fine' | 'waits' | 'fails' | 'skips'
  readonly title: string
  readonly detail?: ReactNode
  readonly more?: ReactNode
  readonly word: string
}

const ICONS = { fine: 'tick', waits: 'clock', fails: 'cross', skips: 'dash' } as const

export function Steps({ steps, tight = false }: { steps: readonly Step[]; tight?: boolean }) {
  return (
    <ol className={`steps ${tight ? 'tight' : ''}`}>
      {steps.map(({ key, state, title, detail, more, word }) => (
        <li className={state === 'fine' ? '' : state} key={key}>
          <span className="sign">
            <Icon name={ICONS[state]} />
          </span>
          <div>
            <b>{title}</b>
            {detail && <p>{detail}</p>}
            {more && <div className="more">{more}</div>}
          </div>
          <span className="word">{word}</span>
        </li>
      ))}
    </ol>
  )
}
