'use client'
// Who may come in, as a draft: what saving would cut is said before it is saved; nothing is half applied.
import { useQuery } from '@connectrpc/connect-query'
import { AddressService, type TunnelAddress } from '@pbt/proto/admin/v1'
import { type FormEvent, useState } from 'react'
import { Button } from '../components/button'
import { Icon, Mark } from '../components/icon'
import { Card, Ip } from '../components/parts'
import { Segments } from '../components/segments'
import { useAct } from '../components/toast'
import { useLive } from '../live/live'
import { addresses } from '../live/services'
import { areSame, blockProblem, type Draft, type DraftEntry, draftOf, listOf, networkOf } from '../words/draft'
import { counted, millis, moment } from '../words/time'

/** The list of one address; `key` it by the address. */
export function AllowlistCard({ address, isAlone }: { address: TunnelAddress; isAlone: boolean }) {
  const saved = draftOf(address.allowlist)
  const [edited, setEdited] = useState<Draft>()
  const draft = edited ?? saved
  const isChanged = edited !== undefined && !areSame(edited, saved)
  const { busy, run } = useAct()
  const save = () =>
    run(
      'Saving',
      () => addresses.setAllowlist({ address: address.address, allowlist: listOf(draft) }),
      ({ cutCount }) => {
        setEdited(undefined)
        const cut = cutCount === 0 ? '' : `, ${counted(cutCount, 'connection')} cut`
        const put = () =>
          run('Undoing', () => addresses.setAllowlist({ address: address.address, allowlist: listOf(saved) }))
        return { text: `Saved: ${inWords(draft)}${cut}`, undo: { word: 'Undo', run: put } }
      },
    )
  return (
    <Card id={`al-${address.address}`} title={isAlone ? 'Who may come in' : `Who may come in at ${address.address}`}>
      <div className="pad tight">
        <Segments
          label="Who may come in"
          className="even"
          value={draft.isOpen ? 'all' : 'some'}
          choices={[
            { value: 'all', label: 'Everybody' },
            { value: 'some', label: 'Only these' },
          ]}
          onChange={value => setEdited({ ...draft, isOpen: value === 'all' })}
        />
      </div>
      {!draft.isOpen && <Entries entries={draft.entries} remove={block => setEdited(without(draft, block))} />}
      <div className="pad tight stack-sm">
        {isChanged && <WouldCut address={address.address} draft={draft} saved={saved} />}
        {!draft.isOpen && <AddBlock add={entry => setEdited(withEntry(draft, entry))} />}
        {isChanged && (
          <div className="row">
            <span className="push" />
            <Button small onClick={() => setEdited(undefined)}>
              Discard
            </Button>
            <Button small kind="primary" onClick={save} busy={busy} isAct>
              Save
            </Button>
          </div>
        )}
      </div>
    </Card>
  )
}

function inWords({ isOpen, entries }: Draft): string {
  if (isOpen) return 'everybody may come in'
  return entries.length === 0 ? 'nobody may come in' : `only ${counted(entries.length, 'entry', 'entries')} may come in`
}

function without(draft: Draft, block: string): Draft {
  return { ...draft, entries: draft.entries.filter(entry => entry.block !== block) }
}

function withEntry(draft: Draft, entry: DraftEntry): Draft {
  return { ...draft, entries: [...draft.entries.filter(({ block }) => block !== entry.block), entry] }
}

function Entries({ entries, remove }: { entries: readonly DraftEntry[]; remove: (block: string) => void }) {
  const you = useLive(live => live.server?.yourAddress) ?? ''
  if (entries.length === 0) return <p className="pad tight muted small">Nobody: the list is empty.</p>
  return (
    <ul className="lines">
      {entries.map(({ block, note, endTime }) => {
        const end = millis(endTime)
        return (
          <li key={block} data-row>
            <div className="grow">
              <div className="row wrap">
                <Ip text={block} />
                {isYou(block, you) && <span className="tag you">you</span>}
              </div>
              {note && <p className="small muted">{note}</p>}
            </div>
            <div className="row">
              {end !== undefined && <span className="small muted nowrap">until {moment(end)}</span>}
              <button
                type="button"
                className="btn quiet square sm"
                aria-label={`Remove ${block}`}
                title="Remove"
                onClick={() => remove(block)}
              >
                <Icon name="cross" small />
              </button>
            </div>
          </li>
        )
      })}
    </ul>
  )
}

function isYou(block: string, you: string): boolean {
  return you !== '' && [you, `${you}/32`, `${you}/128`].includes(block)
}

/** Asked of the server, before anything is done. */
function WouldCut({ address, draft, saved }: { address: string; draft: Draft; saved: Draft }) {
  const { data } = useQuery(
    AddressService.method.setAllowlist,
    { address, allowlist: listOf(draft), validateOnly: true },
    { staleTime: 0, gcTime: 0 },
  )
  const peers = [...new Set(data?.cut.map(({ peer }) => peer))]
  const cuts =
    data === undefined
      ? 'Looking at whom saving would cut.'
      : data.cutCount === 0
        ? 'Saving cuts nobody who is there now.'
        : `Saving cuts ${counted(data.cutCount, 'connection')}: ${peers.slice(0, 3).join(', ')}${peers.length > 3 ? ' and others' : ''}.`
  return (
    <div className="note warn">
      <Mark name="warn" tone="warn" />
      <span>
        <b>Not saved.</b> Still {inWords(saved)}. {cuts}
      </span>
    </div>
  )
}

function AddBlock({ add }: { add: (entry: DraftEntry) => void }) {
  const you = useLive(live => live.server?.yourAddress) ?? ''
  const [text, setText] = useState('')
  const [note, setNote] = useState('')
  const [problem, setProblem] = useState('')
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const block = text.trim()
    const wrong = blockProblem(block)
    setProblem(wrong)
    if (wrong !== '') return
    add({ block, note: note.trim(), endTime: undefined })
    setText('')
    setNote('')
  }
  return (
    <form className="stack-xs" onSubmit={submit}>
      <div className={`input ${problem ? 'wrong' : ''}`}>
        <input
          className="mono"
          aria-label="Address or block"
          placeholder="192.0.2.0/24"
          value={text}
          aria-invalid={problem !== '' || undefined}
          onChange={event => setText(event.target.value)}
        />
        <input
          className="note-field"
          aria-label="Note"
          placeholder="note"
          value={note}
          onChange={event => setNote(event.target.value)}
        />
        <Button small type="submit">
          Add
        </Button>
      </div>
      {problem && (
        <p className="small bad" role="alert">
          {problem}
        </p>
      )}
      {you !== '' && <Mine you={you} add={add} />}
    </form>
  )
}

/** The server knows the one address that this browser comes from: of the other family it hears only when somebody comes by it. */
function Mine({ you, add }: { you: string; add: (entry: DraftEntry) => void }) {
  const network = networkOf(you)
  const addMine = (block: string) => add({ block, note: 'added by you', endTime: undefined })
  const [by, other] = you.includes(':') ? ['IPv6', 'IPv4'] : ['IPv4', 'IPv6']
  return (
    <>
      <Button small kind="quiet" icon="plus" onClick={() => addMine(you)}>
        My address {you}
      </Button>
      {network !== undefined && (
        <Button small kind="quiet" icon="plus" onClick={() => addMine(network)}>
          My network {network}
        </Button>
      )}
      <p className="small muted">
        That is how you come now, by {by}. Where you come by {other}, allow that one from its refusal on the dashboard.
        {network !== undefined && ' Browsers change their IPv6 address every day; the network stays the same.'}
      </p>
    </>
  )
}
