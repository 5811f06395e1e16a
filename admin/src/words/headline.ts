// How all tunnels stand, in one sentence.
import { type Client, Client_State, type Tunnel } from '@pbt/proto/admin/v1'
import type { MarkName, Tone } from '../components/icon'
import { readable } from './idn.ts'
import { standingOf } from './tunnel.ts'

/** The sentence, and its short form for the browser's tab. */
export function headlineOf(
  tunnels: readonly Tunnel[],
  isLost: boolean,
): { readonly title: string; readonly tab: string } {
  const all = tunnels.length
  const good = tunnels.filter(tunnel => standingOf(tunnel).kind === 'online').length
  const verb = isLost ? (all === 1 ? 'was' : 'were') : all === 1 ? 'is' : 'are'
  if (all === 1) {
    const [name = ''] = tunnels.map(each => each.name)
    return {
      title: `${readable(name)} ${verb} ${good === 1 ? '' : 'not '}reachable`,
      tab: good === 1 ? 'Reachable' : 'Not reachable',
    }
  }
  if (good === all) return { title: `All ${all} tunnels ${verb} reachable`, tab: `All ${all} reachable` }
  if (good === 0)
    return { title: `None of ${all} tunnels ${isLost ? 'was' : 'is'} reachable`, tab: `0 of ${all} reachable` }
  return { title: `${good} of ${all} tunnels ${verb} reachable`, tab: `${good} of ${all} reachable` }
}

const WORDS: Readonly<Record<string, (count: number) => string>> = {
  paused: count => `${count} paused by you`,
  killed: count => `${count} killed by you`,
  certificate: count => `${count} without a certificate`,
  target: count => (count === 1 ? '1 whose target refuses' : `${count} whose targets refuse`),
  awaited: count => `${count} reconnecting`,
}

/** What is not reachable, by reason. */
export function whyNot(
  tunnels: readonly Tunnel[],
  clients: ReadonlyMap<string, Client>,
): readonly { mark: MarkName; tone: Tone; text: string }[] {
  const groups = new Map<string, { mark: MarkName; tone: Tone; count: number; label: string }>()
  for (const tunnel of tunnels) {
    const { kind, mark, tone } = standingOf(tunnel)
    if (kind === 'online') continue
    const isThere = clients.get(tunnel.clientId)?.state === Client_State.CONNECTED
    const label =
      kind !== 'offline' ? '' : isThere ? `not served by ${tunnel.clientLabel}` : `offline with ${tunnel.clientLabel}`
    const group = groups.get(`${kind} ${label}`) ?? { mark, tone, count: 0, label }
    groups.set(`${kind} ${label}`, { ...group, count: group.count + 1 })
  }
  return [...groups].map(([key, { mark, tone, count, label }]) => {
    const kind = key.split(' ', 1)[0] ?? ''
    const text = WORDS[kind]?.(count) ?? `${count} ${label.replace(/ (?:with|by) $/, '') || 'offline'}`
    return { mark, tone, text }
  })
}
