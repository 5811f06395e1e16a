'use client'
// The first page: is it up, who is there, why was somebody refused, what needs the owner.
import { Address, Card, State } from '../components/parts'
import { useLive } from '../live/live'
import { isReachable, kindOf, standingOf } from '../words/tunnel'

export function Dashboard() {
  const tunnels = useLive(live => live.tunnels)
  const clients = useLive(live => live.clients)
  const all = [...(tunnels?.values() ?? [])]
  const reachable = all.filter(isReachable).length
  return (
    <>
      <div className="hero">
        <h1>{tunnels === undefined ? 'Tunnels' : `${reachable} of ${all.length} tunnels are reachable`}</h1>
      </div>
      <Card id="tuns" title="Tunnels">
        <ul className="lines">
          {all.map(tunnel => {
            const { mark, tone, word, detail } = standingOf(tunnel, clients?.get(tunnel.clientId))
            return (
              <li key={tunnel.name}>
                <div className="grow">
                  <b>{tunnel.name}</b> <small>{kindOf(tunnel)}</small>
                </div>
                <State mark={mark} tone={tone} word={word}>
                  {detail}
                </State>
                {tunnel.addresses.map(({ url }) => (
                  <Address url={url} key={url} />
                ))}
              </li>
            )
          })}
        </ul>
      </Card>
    </>
  )
}
