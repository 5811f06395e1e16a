'use client'
// The head of a page: its sentence, what it says besides, and its acts; the tab's title begins with the state.
import { type ReactNode, useEffect } from 'react'

export function PageHead({
  title,
  tab,
  lead,
  acts,
}: {
  title: ReactNode
  tab?: string
  lead?: ReactNode
  acts?: ReactNode
}) {
  useTabTitle(tab ?? (typeof title === 'string' ? title : ''))
  return (
    <div className="head">
      <div>
        <h1>{title}</h1>
        {lead && <p>{lead}</p>}
      </div>
      {acts && <div className="acts">{acts}</div>}
    </div>
  )
}

export function useTabTitle(title: string): void {
  useEffect(() => {
    document.title = title === '' ? 'pbt' : `${title} · pbt`
  }, [title])
}
