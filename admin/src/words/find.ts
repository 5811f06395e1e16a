// What "Go to or do" finds for what was typed: tunnels, acts, addresses, pages, clients, visitors. No network.
import { type Tunnel, TunnelState } from '@pbt/proto/admin/v1'
import type { IconName, MarkName, Tone } from '../components/icon'
import { PAGES } from '../components/pages.ts'
import type { Live } from '../live/state.ts'
import { clientStanding } from './client.ts'
import { readable } from './idn.ts'
import { tunnelHref } from './links.ts'
import { explain } from './needs.ts'
import { standingOf } from './tunnel.ts'

export interface Hit {
  readonly key: string
  readonly group: string
  readonly icon?: IconName
  readonly mark?: MarkName
  readonly tone?: Tone
  readonly title: string
  /** The consequence, or what is known of it. */
  readonly detail: string
  readonly href?: string
  readonly act?: {
    readonly kind: 'copy' | 'pause' | 'resume' | 'start' | 'kill' | 'theme' | 'keys' | 'logout'
    readonly value: string
  }
}

/** Of each group. */
const MOST = 6
const IP = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]*:[0-9a-f:.]+)$/i

/** The best first; nothing typed: pages and acts. */
export function find(live: Live | undefined, typed: string): readonly Hit[] {
  const words = typed.trim().toLowerCase()
  const tunnels = [...(live?.tunnels.values() ?? [])]
    .filter(tunnel => isNamed(tunnel, words))
    .toSorted((left, right) => rank(left, words) - rank(right, words))
  const [best] = tunnels
  const doings = words !== '' && best !== undefined ? [...actsOn(best), ...generalActs(words)] : generalActs(words)
  return [
    ...(words === '' ? [] : tunnels.slice(0, MOST).map(tunnelHit)),
    ...visitor(words),
    ...doings.slice(0, MOST),
    ...PAGES.filter(({ title }) => title.toLowerCase().includes(words)).map(pageHit),
    ...(words === '' ? [] : clientHits(live, words)),
    ...(words === '' ? [] : addressHits(live, words)),
  ]
}

/** What begins so stands before what only has it somewhere. */
function rank({ name }: Tunnel, words: string): number {
  return name.toLowerCase().startsWith(words) || readable(name).startsWith(words) ? 0 : 1
}

function isNamed({ name, addresses }: Tunnel, words: string): boolean {
  return (
    [name, readable(name)].some(each => each.toLowerCase().includes(words)) ||
    addresses.some(({ url }) => url.toLowerCase().includes(words))
  )
}

function tunnelHit(tunnel: Tunnel): Hit {
  const { mark, tone, word } = standingOf(tunnel)
  const detail = [word, tunnel.addresses[0]?.url ?? '', tunnel.clientLabel].filter(Boolean).join(' · ')
  return {
    key: `tunnel ${tunnel.name}`,
    group: 'Tunnel',
    mark,
    tone,
    title: readable(tunnel.name),
    detail,
    href: tunnelHref(tunnel.name),
  }
}

function actsOn({ name, state, addresses }: Tunnel): Hit[] {
  const url = addresses[0]?.url ?? ''
  const doing = { group: 'Do' } as const
  return [
    ...(url === ''
      ? []
      : [
          {
            ...doing,
            key: 'copy',
            icon: 'copy',
            title: `Copy ${url}`,
            detail: '',
            act: { kind: 'copy', value: url },
          } as const,
        ]),
    steering(name, state),
    ...(state === TunnelState.KILLED
      ? []
      : [
          {
            ...doing,
            key: 'kill',
            icon: 'stop',
            title: `Kill ${readable(name)}…`,
            detail: 'asks first',
            act: { kind: 'kill', value: name },
          } as const,
        ]),
    {
      ...doing,
      key: 'log',
      icon: 'lines',
      title: `Log of ${readable(name)}`,
      detail: '',
      href: `/logs?tunnel=${encodeURIComponent(name)}`,
    },
    ...(url === ''
      ? []
      : [{ ...doing, key: 'explain', icon: 'way', title: `Explain ${url}`, detail: '', href: explain(url) } as const]),
  ]
}

/** What changes whether visitors are let in. */
function steering(name: string, state: TunnelState): Hit {
  const doing = { group: 'Do' } as const
  return state === TunnelState.PAUSED
    ? {
        ...doing,
        key: 'resume',
        icon: 'play',
        title: `Resume ${readable(name)}`,
        detail: 'visitors are let in again',
        act: { kind: 'resume', value: name },
      }
    : state === TunnelState.KILLED
      ? {
          ...doing,
          key: 'start',
          icon: 'play',
          title: `Start ${readable(name)} again`,
          detail: 'it may come back',
          act: { kind: 'start', value: name },
        }
      : {
          ...doing,
          key: 'pause',
          icon: 'pause',
          title: `Pause ${readable(name)}`,
          detail: 'visitors are turned away until you resume it',
          act: { kind: 'pause', value: name },
        }
}

function generalActs(words: string): Hit[] {
  const all: Hit[] = [
    {
      key: 'theme',
      group: 'Do',
      icon: 'sun',
      title: 'Dark or light',
      detail: 'changes the scheme of this browser',
      act: { kind: 'theme', value: '' },
    },
    { key: 'reserve', group: 'Do', icon: 'plus', title: 'Reserve a name or a port', detail: '', href: '/addresses' },
    {
      key: 'rotate',
      group: 'Do',
      icon: 'key',
      title: 'Rotate the token…',
      detail: 'for a new one; asks first',
      href: '/security?open=rotate',
    },
    {
      key: 'keys',
      group: 'Do',
      icon: 'grid',
      title: 'Keys',
      detail: 'what each key does',
      act: { kind: 'keys', value: '' },
    },
    {
      key: 'logout',
      group: 'Do',
      icon: 'out',
      title: 'Log out',
      detail: 'ends this browser’s session',
      act: { kind: 'logout', value: '' },
    },
  ]
  return all.filter(({ title, detail }) => `${title} ${detail}`.toLowerCase().includes(words))
}

function pageHit({ href, title, icon }: (typeof PAGES)[number]): Hit {
  return { key: `page ${href}`, group: 'Page', icon, title, detail: '', href }
}

function visitor(words: string): Hit[] {
  if (!IP.test(words)) return []
  return [
    {
      key: 'ip log',
      group: 'Visitor',
      icon: 'lines',
      title: `What ${words} did`,
      detail: 'in the log',
      href: `/logs?from=${encodeURIComponent(words)}`,
    },
    {
      key: 'ip explain',
      group: 'Visitor',
      icon: 'way',
      title: `Explain what ${words} gets`,
      detail: '',
      href: explain('', words),
    },
  ]
}

function clientHits(live: Live | undefined, words: string): Hit[] {
  return [...(live?.clients.values() ?? [])]
    .filter(({ label, publicAddress }) => label.toLowerCase().includes(words) || publicAddress.includes(words))
    .slice(0, MOST)
    .map(client => {
      const { mark, tone, since } = clientStanding(client)
      return {
        key: `client ${client.id}`,
        group: 'Client',
        mark,
        tone,
        title: client.label,
        detail: since,
        href: '/clients',
      }
    })
}

function addressHits(live: Live | undefined, words: string): Hit[] {
  return [...(live?.addresses.values() ?? [])]
    .filter(({ address, note }) => address.toLowerCase().includes(words) || note.toLowerCase().includes(words))
    .slice(0, MOST)
    .map(({ address, holder, note }) => ({
      ...{ key: `address ${address}`, group: 'Address', icon: 'pin' as const, title: address },
      detail: [holder, note].filter(Boolean).join(' · '),
      href: `/addresses?q=${encodeURIComponent(address)}`,
    }))
}
