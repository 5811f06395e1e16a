'use client'
// Before a tunnel is killed: what is cut, what stops answering, and what stays.
import { useQuery } from '@connectrpc/connect-query'
import { type KillTunnelResponse, type Tunnel, TunnelService, TunnelState } from '@pbt/proto/admin/v1'
import type { ReactNode } from 'react'
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
  const { start, pause } = useTunnelActs()
  const close = () => setOpen(false)
  const instead = () => {
    close()
    pause(name)
  }
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
          {tunnel.state === TunnelState.ONLINE && (
            <Button kind="quiet" className="other" onClick={instead} isAct>
              Pause it instead
            </Button>
          )}
        </>
      }
    >
      <p className="muted small">
        It ends now and stays down, also after a restart. You start it again from here where a daemon of pbt serves it,
        else by its command on {tunnel.clientLabel || 'its machine'}.
      </p>
      <Consequences tunnel={tunnel} cut={data} />
    </Dialog>
  )
}

/** What comes of it; `cut` is undefined until the server has said it. */
function Consequences({ tunnel, cut }: { tunnel: Tunnel; cut: KillTunnelResponse | undefined }) {
  const urls = tunnel.addresses.map(({ url }) => addressText(url).replace(/^https?:\/\//, ''))
  const isCut = cut !== undefined && cut.cutCount > 0
  return (
    <ul className="hits">
      <Hit mark={isCut ? 'bad' : 'none'} word={cut === undefined ? 'Looking at what is open' : cutWord(cut)}>
        {isCut && peersIn(cut)}
      </Hit>
      {urls.length > 0 && (
        <Hit
          mark="off"
          word={`${counted(urls.length, 'address', 'addresses')} ${urls.length === 1 ? 'stops' : 'stop'} answering`}
        >
          <code>{urls.map(readable).join(', ')}</code>
        </Hit>
      )}
      <Hit mark="ok" word={urls.length === 1 ? 'It stays yours' : 'They stay yours'}>
        with the list of who may come in and the log; other tunnels of {tunnel.clientLabel || 'its machine'} go on
      </Hit>
    </ul>
  )
}

function Hit({ mark, word, children }: { mark: 'bad' | 'off' | 'ok' | 'none'; word: string; children: ReactNode }) {
  return (
    <li>
      <Mark name={mark} tone={mark === 'bad' || mark === 'ok' ? mark : ''} />
      <div>
        <b>{word}</b>
        {children && <small>{children}</small>}
      </div>
    </li>
  )
}

function cutWord({ cutCount }: KillTunnelResponse): string {
  if (cutCount === 0) return 'Nothing is open now, so nobody is cut'
  return `${counted(cutCount, 'connection')} ${cutCount === 1 ? 'is' : 'are'} cut`
}

function peersIn({ cut }: KillTunnelResponse): string {
  const peers = [...new Set(cut.map(({ peer }) => peer))]
  const others = peers.length > NAMED ? ` and ${peers.length - NAMED} more` : ''
  return `${peers.slice(0, NAMED).join(', ')}${others}`
}
