'use client'
// What needs the owner, each with its cure; not there at all when all is well.
import Link from 'next/link'
import { useState } from 'react'
import { Button } from '../components/button'
import { Mark } from '../components/icon'
import { useIsPhone } from '../components/media'
import { Card, Copy } from '../components/parts'
import { useSeconds } from '../components/seconds'
import { useLive } from '../live/live'
import type { Live } from '../live/state'
import { needsOf } from '../words/needs'

const NUMBERS = ['No', 'One', 'Two', 'Three', 'Four', 'Five', 'Six', 'Seven', 'Eight', 'Nine']
/** The others come by a press: a list of what is wrong has to be read, and the tunnels stand below it. */
const SHOWN = 6
const SHOWN_ON_PHONE = 3

const all = (live: Live) => live

export function Needs() {
  const live = useLive(all)
  const now = useSeconds(10_000)
  const most = useIsPhone() ? SHOWN_ON_PHONE : SHOWN
  const [isWhole, setWhole] = useState(false)
  const needs = live === undefined ? [] : needsOf(live, now)
  if (needs.length === 0) return null
  // One more would take as much room as the button.
  const shown = isWhole || needs.length === most + 1 ? needs.length : most
  const count = NUMBERS[needs.length] ?? String(needs.length)
  return (
    <Card id="needs" title={needs.length === 1 ? 'One thing needs you' : `${count} things need you`}>
      <ul className="needs">
        {needs.slice(0, shown).map(({ key, mark, tone, title, detail, command, link }) => (
          <li key={key} data-row>
            <Mark name={mark} tone={tone} />
            <div>
              <b>{title}</b>
              <p className={command ? '' : 'brief'}>
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
      {needs.length > shown && (
        <p className="card-foot">
          <Button small onClick={() => setWhole(true)}>
            {needs.length - shown} more
          </Button>
        </p>
      )}
    </Card>
  )
}
