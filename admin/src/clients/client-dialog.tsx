'use client'
import { type Client, Client_State } from '@pbt/proto/admin/v1'
import { Button } from '../components/button'
import { Dialog } from '../components/dialog'
import { Mark } from '../components/icon'
import { useAct } from '../components/toast'
import { clients } from '../live/services'
import { readable } from '../words/idn'
import { listed } from '../words/sentence'

/** Before a machine is disconnected or forgotten: what that hits. */
export function ClientDialog({ client, close }: { client: Client; close: () => void }) {
  const { busy, run } = useAct()
  const { id, label, tunnels } = client
  const isGone = client.state === Client_State.GONE
  const verb = isGone ? 'Forget' : 'Disconnect'
  const act = () =>
    run(
      isGone ? 'Forgetting' : 'Disconnecting',
      async () => {
        if (isGone) await clients.forgetClient({ id })
        else await clients.disconnectClient({ id })
      },
      () => {
        close()
        return { text: isGone ? `${label} is forgotten` : `${label} is disconnected; it connects again by itself` }
      },
    )
  return (
    <Dialog
      isOpen
      setOpen={close}
      title={`${verb} ${label}?`}
      acts={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button kind="danger-fill" busy={busy} onClick={act} isAct>
            {`${verb} ${label}`}
          </Button>
        </>
      }
    >
      {isGone ? (
        <p className="muted small">
          It goes from this list with its history. Its addresses stay yours. If it connects again, it is a new machine.
        </p>
      ) : (
        <ul className="hits">
          <li>
            <Mark name="bad" tone="bad" />
            <span>What is open on {tunnels.length === 0 ? 'it' : listed(tunnels.map(readable))} is cut</span>
          </li>
          <li>
            <Mark name="none" />
            <span>
              It connects again by itself within seconds, with the same tunnels. To keep it out, rotate the token.
            </span>
          </li>
        </ul>
      )}
    </Dialog>
  )
}
