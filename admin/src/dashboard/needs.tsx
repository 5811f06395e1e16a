'use client'
// What needs the owner, each with its cure; not there at all when all is well.
import Link from 'next/link'
import { Mark } from '../components/icon'
import { Card, Copy } from '../components/parts'
import { useSeconds } from '../components/seconds'
import { useLive } from '../live/live'
import type { Live } from '../live/state'
import { needsOf } from '../words/needs'

const NUMBERS = ['No', 'One', 'Two', 'Three', 'Four', 'Five', 'Six', 'Seven', 'Eight', 'Nine']
/** The others are named by their number: a list of what is wrong has to be read. */
const SHOWN = 6

const all = (live: Live) => live

export function Needs() {
  const live = useLive(all)
  const now = useSeconds(10_000)
  const needs = live === undefined ? [] : needsOf(live, now)
  if (needs.length === 0) return null
  const count = NUMBERS[needs.length] ?? String(needs.length)
  return (
    <Card id="needs" title={needs.length === 1 ? 'One thing needs you' : `${count} things need you`}>
      <ul className="needs">
        {needs.slice(0, SHOWN).map(({ key, mark, tone, title, detail, command, link }) => (
          <li key={key} data-row>
            <Mark name={mark} tone={tone} />
            <div>
              <b>{title}</b>
              <p>
                {detail}
                {command && (
                  <>
                    {' '}
                    <code>{command}</code> <Copy text={command} />
                  </>
                )}
              </p>
            </div>
            <div className="acts">
              {link && (
                <Link className="btn sm" href={link.href}>
                  {link.word}
                </Link>
              )}
            </div>
          </li>
        ))}
      </ul>
      {needs.length > SHOWN && <p className="card-foot">And {needs.length - SHOWN} more of the same kind.</p>}
    </Card>
  )
}
