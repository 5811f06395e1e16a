'use client'
import type { Domain } from '@pbt/proto/admin/v1'
import { useRouter } from 'next/navigation'
import { Button } from '../components/button'
import { Dialog } from '../components/dialog'
import { useAct } from '../components/toast'
import { domains } from '../live/services'

/** Before a domain is removed: what ends with it, and what stays. */
export function RemoveDialog({ domain, close }: { domain: Domain | undefined; close: () => void }) {
  const router = useRouter()
  const { busy, run } = useAct()
  if (domain === undefined) return null
  const name = domain.domain
  const remove = () =>
    run(
      'Removing',
      () => domains.removeDomain({ domain: name }),
      () => {
        close()
        router.push('/domains')
        return { text: `${name} is removed` }
      },
    )
  return (
    <Dialog
      isOpen
      setOpen={close}
      title={`Remove ${name}?`}
      acts={
        <>
          <Button onClick={close}>Keep it</Button>
          <Button kind="danger-fill" onClick={remove} busy={busy} isAct>
            {`Remove ${name}`}
          </Button>
        </>
      }
    >
      <p className="muted small">
        Its certificate is no longer served or renewed, at once. Its address stays reserved for{' '}
        {domain.tunnel === '' ? 'you' : domain.tunnel}.
      </p>
    </Dialog>
  )
}
