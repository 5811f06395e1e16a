// The way from a visitor to the service as a line of marks: solid as far as a visitor gets, dashed after the stop.
import type { ReactNode } from 'react'
import { Mark, type MarkName, type Tone } from './icon'

export interface Station {
  readonly key: string
  readonly mark: MarkName
  readonly tone: Tone
  readonly title: ReactNode
  readonly detail: string
  /** Nobody gets further. */
  readonly stops: boolean
}

export function Way({ stations }: { stations: readonly Station[] }) {
  const stop = stations.findIndex(({ stops }) => stops)
  return (
    <section className="card" aria-label="The way in">
      <ol className="way">
        {stations.map(({ key, mark, tone, title, detail }, index) => (
          <li className={stop >= 0 && index >= stop ? 'stopped' : ''} key={key}>
            <Mark name={stop >= 0 && index > stop ? 'none' : mark} tone={stop >= 0 && index > stop ? '' : tone} />
            <b>{title}</b>
            <small title={detail}>{detail}</small>
          </li>
        ))}
      </ol>
    </section>
  )
}
