'use client'
// What stands around every page: rail, bar and tabs, and the way to the login when the session is over.
import { useQueryClient } from '@tanstack/react-query'
import Link from 'next/link'
import { usePathname, useRouter } from 'next/navigation'

import { type ReactNode, Suspense, useCallback, useEffect, useRef, useState } from 'react'

import { LiveProvider, useContact, useLive } from '../live/live'
import { clockWithSeconds, howLong, millis } from '../words/time'
import { useCloseOnBack } from './address-bar'
import { useIsLost } from './contact'
import { FreshToken, holdToken } from './fresh-token'
import { Brand, Icon, Mark } from './icon'
import { useKeptFocus } from './kept-focus'
import { useCommonKeys } from './keys'
import { useLogout } from './logout'
import { ClockBar, LostBar } from './lost'
import { MoreSheet } from './more'
import { NewVersion } from './new-version'
import { PAGES, type PageRow } from './pages'
import { Palette } from './palette'
import { useSeconds } from './seconds'
import { Tally, TallyDot } from './tally'
import { ThemeButton } from './theme'
import { Toasts } from './toast'

const GROUPS = ['', 'Ways in', 'What happened', 'Owner'] as const

export function Shell({ children }: { children: ReactNode }) {
  const queries = useQueryClient()
  return (
    <LiveProvider queries={queries}>
      <Toasts>
        <Frame>{children}</Frame>
      </Toasts>
    </LiveProvider>
  )
}

function Frame({ children }: { children: ReactNode }) {
  const [isFinding, setFinding] = useState(false)
  const isLost = useIsLost()
  useCommonKeys()
  useKeptFocus()
  useTopOfPage()
  const find = () => setFinding(true)
  useCloseOnBack(useCallback(() => setFinding(false), []))
  return (
    <>
      <ToLogin />
      <a className="skip" href="#main">
        To the content
      </a>
      <div className="app">
        <Rail find={find} />
        <div className={`page ${isLost ? 'stale' : ''}`}>
          <PhoneBar find={find} />
          <main id="main" tabIndex={-1}>
            <NewVersion />
            <FreshToken />
            <LostBar />
            <ClockBar />
            <div className="live-data">
              <Suspense>{children}</Suspense>
            </div>
          </main>
        </div>
        <TabBar />
      </div>
      <Palette isOpen={isFinding} setOpen={setFinding} />
    </>
  )
}

/** Another page begins at its top, whatever lay over the one before; Back and Forward lead to where it was left. */
function useTopOfPage(): void {
  const path = usePathname()
  const known = useRef(path)
  useEffect(() => {
    const onPop = () => {
      known.current = location.pathname
    }
    addEventListener('popstate', onPop)
    return () => removeEventListener('popstate', onPop)
  }, [])
  useEffect(() => {
    if (known.current !== path) scrollTo(0, 0)
    known.current = path
  }, [path])
}

/** Back to the same page after the login. */
function ToLogin() {
  const { state } = useContact()
  const router = useRouter()
  useEffect(() => {
    if (state !== 'logged-out') return
    // Whoever comes after the session must not find it.
    holdToken('')
    const here = location.pathname + location.search
    router.replace(here === '/' ? '/login' : `/login?to=${encodeURIComponent(here)}`)
  }, [state, router])
  return null
}

function useDomain(): string {
  return useLive(live => live.server?.baseDomain) ?? ''
}

function Rail({ find }: { find: () => void }) {
  const domain = useDomain()
  const logout = useLogout()
  return (
    <header className="rail">
      <Link className="brand" href="/">
        <Brand domain={domain} />
        <em className="sr">Dashboard</em>
      </Link>
      <button className="find" type="button" title="Go to or do" onClick={find}>
        <Icon name="search" small />
        <span>Go to or do</span>
        <span className="kbd">⌘K</span>
      </button>
      {GROUPS.map(group => (
        <nav className="nav" aria-label={group || 'Overview'} key={group}>
          {group && <h2>{group}</h2>}
          {PAGES.filter(page => page.group === group).map(page => (
            <NavLink page={page} key={page.href} />
          ))}
        </nav>
      ))}
      <div className="rail-foot">
        <ContactWord />
        <ServerWord />
        <div className="row acts">
          <ThemeButton className="sm" />
          <button type="button" className="btn quiet square sm" aria-label="Log out" title="Log out" onClick={logout}>
            <Icon name="out" />
          </button>
        </div>
      </div>
    </header>
  )
}

function NavLink({ page }: { page: PageRow }) {
  return (
    <Link href={page.href} title={page.title} aria-current={useIsHere(page) ? 'page' : undefined}>
      <Icon name={page.icon} />
      <span>{page.title}</span>
      <Tally page={page} />
    </Link>
  )
}

/** A tunnel's page belongs to the dashboard. */
function useIsHere({ href }: PageRow): boolean {
  const path = usePathname()
  return path === href || (href === '/' && path === '/tunnel')
}

function ContactWord() {
  const { state, heardAt } = useContact()
  const now = useSeconds()
  const isLive = state === 'live'
  const words = isLive
    ? `Live · last word ${howLong(Math.max(1_000, now - heardAt))} ago`
    : state === 'opening'
      ? heardAt === 0
        ? 'Connecting'
        : `Connecting · as of ${clockWithSeconds(heardAt)}`
      : state === 'restarting'
        ? 'pbt-server restarts'
        : 'No contact'
  return (
    <div className="row">
      <Mark
        name={isLive ? 'ok' : state === 'lost' ? 'warn' : 'wait'}
        tone={isLive ? 'ok' : state === 'lost' ? 'warn' : ''}
      />
      <span className="words">{words}</span>
    </div>
  )
}

function ServerWord() {
  const server = useLive(live => live.server)
  const now = useSeconds()
  const since = millis(server?.startTime)
  if (server === undefined || since === undefined) return null
  return (
    <span className="words">
      pbt-server {server.version} · up {howLong(Math.max(1_000, now - since))}
    </span>
  )
}

function PhoneBar({ find }: { find: () => void }) {
  const domain = useDomain()
  return (
    <header className="phonebar">
      <Link className="brand" href="/">
        <Brand domain={domain} />
        <em className="sr">Dashboard</em>
      </Link>
      <ThemeButton />
      <button type="button" className="btn quiet square" aria-label="Go to or do" onClick={find}>
        <Icon name="search" />
      </button>
    </header>
  )
}

function TabBar() {
  const [isOpen, setOpen] = useState(false)
  const path = usePathname()
  const isBehind = PAGES.some(({ href, isTab }) => !isTab && href === path)
  return (
    <>
      <nav className="tabbar" aria-label="Main">
        {PAGES.filter(page => page.isTab).map(page => (
          <Tab page={page} key={page.href} />
        ))}
        <button
          type="button"
          aria-haspopup="dialog"
          aria-expanded={isOpen}
          aria-current={isBehind ? 'page' : undefined}
          onClick={() => setOpen(true)}
        >
          <Icon name="dots" />
          More
          <TallyDot />
        </button>
      </nav>
      <MoreSheet isOpen={isOpen} setOpen={setOpen} />
    </>
  )
}

function Tab({ page }: { page: PageRow }) {
  return (
    <Link href={page.href} aria-current={useIsHere(page) ? 'page' : undefined}>
      <Icon name={page.icon} />
      {page.title}
    </Link>
  )
}
