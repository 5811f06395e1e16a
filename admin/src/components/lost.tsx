'use client'
// The bar that says that the server is not heard: since when, what is shown, what to look at, when it is tried again.
import { useContact, useLive, useTryNow } from '../live/live'
import { clockWithSeconds, howLong } from '../words/time'
import { Button } from './button'
import { Mark } from './icon'
import { useSeconds } from './seconds'

export function LostBar() {
  const { state, heardAt, nextTryAt } = useContact()
  const tryNow = useTryNow()
  return (
    <div role="status">
      {state === 'lost' && (
        <div className="lostbar">
          <Mark name="warn" tone="warn" />
          <div>
            <b>
              No contact with pbt-server <Since at={heardAt} />
            </b>
            <p>
              {heardAt > 0 && `You see ${clockWithSeconds(heardAt)}, greyed. `}
              This says nothing about your tunnels: it may be your own network that is down. If it stays so, look on the
              server: <code>systemctl status pbt-server</code>
            </p>
          </div>
          <div className="row push" aria-live="off">
            <span className="small muted nowrap">
              <NextTry at={nextTryAt} />
            </span>
            <Button onClick={tryNow}>Try now</Button>
          </div>
        </div>
      )}
    </div>
  )
}

function Since({ at }: { at: number }) {
  const now = useSeconds()
  return <span aria-live="off">{at === 0 ? 'yet' : `for ${howLong(Math.max(1_000, now - at))}`}</span>
}

function NextTry({ at }: { at: number }) {
  const now = useSeconds()
  return at === 0 || at <= now ? 'Trying now' : `Next try in ${howLong(Math.max(1_000, at - now))}`
}

/** A clock that is far off makes every time here wrong. */
const OFF_MS = 30_000

export function ClockBar() {
  const offset = useLive(live => live.clockOffMs) ?? 0
  if (Math.abs(offset) < OFF_MS) return null
  return (
    <div className="lostbar" role="status">
      <Mark name="warn" tone="warn" />
      <div>
        <b>The clocks of this computer and of pbt-server are {howLong(Math.abs(offset))} apart</b>
        <p>
          The server's is {offset > 0 ? 'ahead' : 'behind'}. Times here are the server's events shown by your clock. Set
          both by NTP: <code>timedatectl set-ntp true</code>
        </p>
      </div>
    </div>
  )
}
