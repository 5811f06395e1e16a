'use client'
// Beside the link to a page: how many of what it lists need the owner, seen from every page.
import { useLive } from '../live/live'
import type { Live } from '../live/state'
import { hasTrouble } from '../words/domain'
import { Mark } from './icon'
import type { PageRow } from './pages'

const inTrouble = (live: Live) => [...live.domains.values()].filter(hasTrouble).length

export function Tally({ page }: { page: PageRow }) {
  const count = useLive(inTrouble) ?? 0
  if (page.href !== '/domains' || count === 0) return null
  return (
    <span className="tally">
      <Mark name="bad" tone="bad" />
      {count}
      <span className="sr"> {count === 1 ? 'needs' : 'need'} you</span>
    </span>
  )
}

/** On what hides that link. */
export function TallyDot() {
  const count = useLive(inTrouble) ?? 0
  if (count === 0) return null
  return (
    <em>
      <span className="sr">, {count === 1 ? 'a domain needs' : `${count} domains need`} you</span>
    </em>
  )
}
