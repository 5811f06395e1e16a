'use client'
// Before a tunnel is killed: what is cut, what stops answering, and what stays.
import { useQuery } from '@connectrpc/connect-query'
import { type KillTunnelResponse, type Tunnel, TunnelService } from '@pbt/proto/admin/v1'
import { Button } from '../components/button'
import { Dialog } from '../components/dialog'
import { Mark } from '../components/icon'
import { addressText } from '../components/parts'
import { useAct } from '../components/toast'
import { tunnels } from '../live/services'
import { readable } from '../words/idn'
import { counted } from '../words/time'
import { useTunnelActs } from './acts'

/** Peers that are named one by one. */
const NAMED = 3

export function KillDialog({ tunnel, setOpen }: { tunnel: Tunnel | undefined; setOpen: (isOpen: boolean) => void }) {
  if (tunnel === undefined) return null
  return <Ask tunnel={tunnel} setOpen={setOpen} />
}

function Ask({ tunnel, setOpen }: { tunnel: Tunnel; setOpen: (isOpen: boolean) => void }) {
  const { name } = tunnel
  const { data } = useQuery(TunnelService.method.killTunnel, { name, validateOnly: true }, { staleTime: 0 })
  const { busy, run } = useAct()
  const { start } = useTunnelActs()
  const close = () => setOpen(false)
  const kill = () =>
    run(
      'Killing',
      () => tunnels.killTunnel({ name }),
      ({ cutCount }) => {
        close()
        const cut = cutCount === 0 ? 'nothing was open' : `${counted(cutCount, 'connection')} cut`
        return { text: `${readable(name)} is killed, ${cut}`, undo: { word: 'Start again', run: () => start(name) } }
      },
    )
  return (
    <Dialog
      isOpen
      setOpen={setOpen}
      title={`Kill ${readable(name)}?`}
      acts={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button kind="danger-fill" onClick={kill} busy={busy} isAct>
            {`Kill ${readable(name)}`}
          </Button>
        </>
      }
    >
      <p className="muted small">It ends now and stays down, also after a restart, until you start it again.</p>
      <Consequences tunnel={tunnel} cut={data} />
    </Dialog>
  )
}

/** What comes of it; `cut` is undefined until the server has said it. */
function Consequences({ tunnel, cut }: { tunnel: Tunnel; cut: KillTunnelResponse | undefined }) {
  const urls = tunnel.addresses.map(({ url }) => addressText(url).replace(/^https?:\/\//, ''))
  return (
    <ul className="hits">
      <li>
        <Mark name={cut?.cutCount === 0 ? 'none' : 'bad'} tone={cut?.cutCount === 0 ? '' : 'bad'} />
        <span>{cut === undefined ? 'Looking at what is open' : whoIsCut(cut)}</span>
      </li>
      {urls.length > 0 && (
        <li>
          <Mark name="bad" tone="bad" />
          <span>
            {urls.join(', ')} {urls.length === 1 ? 'stops' : 'stop'} answering
          </span>
        </li>
      )}
      <li>
        <Mark name="none" />
        <span>
          The address, its list of who may come in and its log stay; other tunnels of{' '}
          {tunnel.clientLabel || 'its machine'} go on
        </span>
      </li>
    </ul>
  )
}

function whoIsCut({ cut, cutCount }: KillTunnelResponse): string {
  if (cutCount === 0) return 'Nothing is open now, so nobody is cut'
  const peers = [...new Set(cut.map(({ peer }) => peer))]
  const others = peers.length > NAMED ? ` and ${peers.length - NAMED} more` : ''
  return `${counted(cutCount, 'connection')} cut: ${peers.slice(0, NAMED).join(', ')}${others}`
}
