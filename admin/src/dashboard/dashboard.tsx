'use client'
import { Loading } from '../components/loading'
// The first page: is it up, who is there, why was somebody refused, what needs the owner.
import { useLive } from '../live/live'
import { ClientList } from './client-list'
import { FirstRun } from './first-run'
import { Headline } from './headline'
import { Needs } from './needs'
import { Refusals } from './refusals'
import { Today } from './today'
import { TunnelList } from './tunnel-list'

export function Dashboard() {
  const isKnown = useLive(live => live.tunnels.size > 0)
  if (isKnown === undefined) return <Loading title="Dashboard" />
  if (!isKnown) return <FirstRun />
  return (
    <>
      <Headline />
      <div className="stack">
        <Needs />
        <TunnelList />
        <div className="cols">
          <div className="stack">
            <Refusals />
          </div>
          <div className="stack">
            <ClientList />
            <Today />
          </div>
        </div>
      </div>
    </>
  )
}
