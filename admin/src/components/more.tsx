'use client'
// On a phone: the pages that have no tab.
import Link from 'next/link'
import { Button } from './button'
import { Dialog } from './dialog'
import { Icon } from './icon'
import { useLogout } from './logout'
import { leaving, useBackCloses } from './over'
import { PAGES } from './pages'
import { Tally } from './tally'

export function MoreSheet({ isOpen, setOpen }: { isOpen: boolean; setOpen: (isOpen: boolean) => void }) {
  const logout = useLogout()
  const close = () => setOpen(false)
  useBackCloses(isOpen, close)
  const leave = () => {
    leaving()
    close()
  }
  return (
    <Dialog
      isOpen={isOpen}
      setOpen={setOpen}
      title="More pages"
      hideTitle
      acts={<Button onClick={close}>Close</Button>}
    >
      <nav className="nav tall" aria-label="More">
        {PAGES.filter(page => !page.isTab).map(page => (
          <Link href={page.href} replace key={page.href} onClick={leave}>
            <Icon name={page.icon} />
            <span>{page.title}</span>
            <Tally page={page} />
          </Link>
        ))}
        <button type="button" onClick={logout}>
          <Icon name="out" />
          <span>Log out</span>
        </button>
      </nav>
    </Dialog>
  )
}
