// The pages of the panel, once: for the rail, the tab bar, the palette and the keys.
import type { IconName } from './icon'

export interface PageRow {
  readonly href: string
  readonly title: string
  readonly icon: IconName
  /** After g. */
  readonly key: string
  readonly group: '' | 'Ways in' | 'What happened' | 'Owner'
  /** In the tab bar of a phone; the others are behind More. */
  readonly isTab: boolean
}

export const PAGES: readonly PageRow[] = [
  { href: '/', title: 'Dashboard', icon: 'home', key: 'd', group: '', isTab: true },
  { href: '/addresses', title: 'Addresses', icon: 'pin', key: 'a', group: 'Ways in', isTab: true },
  { href: '/domains', title: 'Domains', icon: 'globe', key: 'n', group: 'Ways in', isTab: false },
  { href: '/clients', title: 'Clients', icon: 'box', key: 'c', group: 'Ways in', isTab: false },
  { href: '/logs', title: 'Logs', icon: 'lines', key: 'l', group: 'What happened', isTab: true },
  { href: '/metrics', title: 'Metrics', icon: 'chart', key: 'm', group: 'What happened', isTab: false },
  { href: '/explain', title: 'Explain', icon: 'way', key: 'e', group: 'What happened', isTab: true },
  { href: '/security', title: 'Security', icon: 'key', key: 's', group: 'Owner', isTab: false },
  { href: '/settings', title: 'Settings', icon: 'dials', key: '', group: 'Owner', isTab: false },
]
