'use client'
// A tunnel begins at the machine that has the service: the commands.
import { Button } from '../components/button'
import { Dialog } from '../components/dialog'
import { Command } from '../components/parts'

const WAYS = [
  ['A web service on port 3000', 'pbt 3000'],
  ['With a name of its own', 'pbt http 3000 --domain wiki'],
  ['A game, on a port that stays', 'pbt up tcp:25565,port=25565 udp:25565,port=25565'],
] as const

export function NewTunnel({ isOpen, setOpen }: { isOpen: boolean; setOpen: (isOpen: boolean) => void }) {
  return (
    <Dialog
      isOpen={isOpen}
      setOpen={setOpen}
      title="A tunnel begins at the machine that has the service"
      acts={<Button onClick={() => setOpen(false)}>Close</Button>}
    >
      <p className="muted small below">Run one of these there. It appears here within a second.</p>
      <div className="stack-sm">
        {WAYS.map(([title, line]) => (
          <div className="stack-xs" key={line}>
            <p className="small strong">{title}</p>
            <Command line={line} />
          </div>
        ))}
      </div>
    </Dialog>
  )
}
