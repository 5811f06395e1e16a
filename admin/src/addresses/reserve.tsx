'use client'
// Keeps a name or a port before anything uses it: whether it is free is seen while typing, and then the exact command.
import { useQuery } from '@connectrpc/connect-query'
import { AddressService } from '@pbt/proto/admin/v1'
import { type FormEvent, useEffect, useState } from 'react'
import { Button } from '../components/button'
import { Mark } from '../components/icon'
import { Command } from '../components/parts'
import { PhoneSheet } from '../components/phone-sheet'
import { Segments } from '../components/segments'
import { TextField } from '../components/text-field'
import { useAct } from '../components/toast'
import { useLive } from '../live/live'
import { addresses } from '../live/services'
import { troubleOf } from '../live/transport'
import { sentence } from '../words/sentence'

/** After the last letter, milliseconds. */
const TYPING_MS = 250

type Protocols = 'tcp' | 'udp' | 'tcp+udp'

export function Reserve({ isUp, close }: { isUp: boolean; close: () => void }) {
  const wish = useWish()
  const { kind, typed, address, what, note, setNote } = wish
  const free = useFree(address)
  const { busy, reserve, nextFree } = useReserving(wish, close)
  return (
    <PhoneSheet id="rs" title="Reserve" isUp={isUp} close={close}>
      <form className="pad stack-sm" onSubmit={reserve}>
        <Segments
          label="What to reserve"
          className="even"
          value={kind}
          onChange={wish.setKind}
          choices={[
            { value: 'name', label: 'Name' },
            { value: 'port', label: 'Port' },
          ]}
        />
        {kind === 'name' ? <NameField wish={wish} /> : <PortFields wish={wish} nextFree={nextFree} />}
        <p className="state small one-high" id="free" aria-live="polite">
          {address !== '' && <Free free={free} />}
        </p>
        <NoteField note={note} setNote={setNote} />
        <Button
          type="submit"
          kind="primary"
          className="wide flush"
          busy={busy}
          isAct
          because={free.isFree === false ? 'It is taken' : undefined}
        >
          {`Reserve ${what}`}
        </Button>
        {/* There from the beginning: on a phone the button would move from under the finger. */}
        <div className={`stack-sm ${typed === '' ? 'only-phone' : ''}`}>
          <p className="small muted">Then, on the machine that has the service:</p>
          <Command line={commandFor(wish)} />
        </div>
      </form>
    </PhoneSheet>
  )
}

type Wish = ReturnType<typeof useWish>

/** What the fields have, and what that asks for. */
function useWish() {
  const [kind, setKind] = useState<'name' | 'port'>('name')
  const [name, setName] = useState('')
  const [port, setPort] = useState('')
  const [protocols, setProtocols] = useState<Protocols>('tcp+udp')
  const [note, setNote] = useState('')
  const typed = kind === 'name' ? name.trim().toLowerCase() : port.trim()
  const address = typed === '' ? '' : kind === 'name' ? typed : `${protocols}:${typed}`
  const what = kind === 'name' ? typed || 'the name' : `${typed || 'the port'} for ${protocols.replace('+', ' and ')}`
  return {
    ...{ kind, setKind, name, setName, port, setPort, protocols, setProtocols, note, setNote },
    ...{ typed, address, what },
  }
}

function useReserving({ address, what, protocols, setName, setPort, note, setNote }: Wish, close: () => void) {
  const { busy, run } = useAct()
  const reserve = (event: FormEvent) => {
    event.preventDefault()
    if (address === '') return
    run(
      'Reserving',
      () => addresses.reserveAddress({ address, note: note.trim() }),
      () => {
        for (const empty of [setName, setPort, setNote]) empty('')
        close()
        const release = () => addresses.releaseAddress({ address }).catch(() => {})
        return { text: `${what} is reserved`, undo: { word: 'Undo', run: release } }
      },
    )
  }
  const nextFree = () =>
    run(
      'Looking',
      () => addresses.reserveAddress({ address: `${protocols}:0`, validateOnly: true }),
      answer => {
        setPort(/:(\d+)$/.exec(answer.addresses[0]?.address ?? '')?.[1] ?? '')
        return undefined
      },
    )
  return { busy, reserve, nextFree }
}

function NameField({ wish: { name, setName } }: { wish: Wish }) {
  const domain = useLive(live => live.server?.baseDomain) ?? ''
  return (
    <TextField
      label="Name"
      className="mono"
      placeholder="wiki"
      value={name}
      spellCheck={false}
      aria-describedby="free"
      onChange={event => setName(event.target.value)}
      suffix={<span className="mono faint">.{domain}</span>}
    />
  )
}

function PortFields({ wish, nextFree }: { wish: Wish; nextFree: () => void }) {
  const { port, setPort, protocols, setProtocols } = wish
  const domain = useLive(live => live.server?.baseDomain) ?? ''
  return (
    <>
      <div className="field">
        <label className="lab" htmlFor="port">
          Port
        </label>
        <div className="input">
          <span className="mono faint">{domain}:</span>
          <input
            className="mono"
            id="port"
            inputMode="numeric"
            value={port}
            aria-describedby="free"
            onChange={event => setPort(event.target.value)}
          />
          <Button small kind="quiet" onClick={nextFree} isAct>
            Next free
          </Button>
        </div>
      </div>
      <div>
        <Segments
          label="Protocol"
          className="even"
          value={protocols}
          onChange={setProtocols}
          choices={[
            { value: 'tcp', label: 'tcp' },
            { value: 'udp', label: 'udp' },
            { value: 'tcp+udp', label: 'both' },
          ]}
        />
      </div>
    </>
  )
}

function NoteField({ note, setNote }: { note: string; setNote: (note: string) => void }) {
  return (
    <TextField
      label="Note"
      hint="if you like"
      placeholder="what it is for"
      value={note}
      maxLength={500}
      onChange={event => setNote(event.target.value)}
    />
  )
}

function commandFor({ kind, typed: wanted, protocols }: Wish): string {
  const typed = wanted || '…'
  if (kind === 'name') return `pbt http 3000 --domain ${typed}`
  if (protocols === 'tcp+udp') return `pbt up tcp:${typed},port=${typed} udp:${typed},port=${typed}`
  return `pbt ${protocols} ${typed} --reserve-port ${typed}`
}

interface FreeState {
  /** Undefined: it is asked, or cannot be judged. */
  readonly isFree: boolean | undefined
  readonly text: string
}

/** Asked of the server when nothing was typed for a moment. */
function useFree(address: string): FreeState {
  const [settled, setSettled] = useState(address)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(address), TYPING_MS)
    return () => clearTimeout(timer)
  }, [address])
  const { data, error } = useQuery(
    AddressService.method.checkAddress,
    { address: settled },
    { enabled: settled !== '', retry: false, staleTime: 0 },
  )
  if (address !== settled) return { isFree: undefined, text: '' }
  if (error) {
    const { what, cure } = troubleOf(error)
    return { isFree: false, text: [what, cure].filter(Boolean).map(sentence).join(' ') }
  }
  if (data === undefined) return { isFree: undefined, text: '' }
  const taken = data.checks.filter(({ isFree }) => !isFree)
  if (taken.length === 0) {
    const both = data.checks.map(check => check.address.split(':', 1)[0]).join(' and ')
    return { isFree: true, text: data.checks.length > 1 ? `for ${both}` : '' }
  }
  return { isFree: false, text: taken.map(({ address: each, reason }) => sentence(`${each}: ${reason}`)).join(' ') }
}

function Free({ free }: { free: FreeState }) {
  if (free.isFree === undefined) return <span className="faint">Looking</span>
  return (
    <>
      <Mark name={free.isFree ? 'ok' : 'warn'} tone={free.isFree ? 'ok' : 'warn'} />
      <span>
        <b className="inline">{free.isFree ? 'Free' : 'Not free'}</b> <span className="muted">{free.text}</span>
      </span>
    </>
  )
}
