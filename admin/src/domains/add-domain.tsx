'use client'
// Adds a domain: its name, and whether everything under it is meant too.
import { Domain_Proof } from '@pbt/proto/admin/v1'
import { useRouter } from 'next/navigation'
import { type FormEvent, useState } from 'react'
import { Button } from '../components/button'
import { Mark } from '../components/icon'
import { leaving } from '../components/over'
import { PhoneSheet } from '../components/phone-sheet'
import { Segments } from '../components/segments'
import { TextField } from '../components/text-field'
import { useAct } from '../components/toast'
import { domains } from '../live/services'
import { domainHref } from '../words/domain'
import { sentence } from '../words/sentence'

interface AddProps {
  readonly isUp: boolean
  readonly close: () => void
  /** Why none can be added; '' when they can. */
  readonly offReason: string
}

export function AddDomain({ isUp, close, offReason }: AddProps) {
  const wish = useWish()
  const { name, setName, typed, isByRecord } = wish
  const { busy, add } = useAdding(wish, close)
  return (
    <PhoneSheet id="ad" title="Add a domain" isUp={isUp} close={close}>
      <form className="pad stack-sm" onSubmit={add}>
        <TextField
          label="Domain"
          className="mono"
          placeholder="app.mine.uk"
          value={name}
          spellCheck={false}
          autoComplete="off"
          onChange={event => setName(event.target.value)}
        />
        <Choices wish={wish} />
        <p className="small muted">
          {isByRecord
            ? 'One CNAME record, created once, proves it at every renewal. No DNS password is kept here.'
            : 'Its address has to lead here, with port 80 open.'}
        </p>
        {offReason !== '' && (
          <p className="state small">
            <Mark name="warn" tone="warn" />
            <span className="muted">{sentence(offReason)}</span>
          </p>
        )}
        <Button
          type="submit"
          kind="primary"
          className="wide flush"
          busy={busy}
          isAct
          because={offReason === '' ? undefined : sentence(offReason)}
        >
          {typed === '' ? 'Add the domain' : `Add ${typed}`}
        </Button>
      </form>
    </PhoneSheet>
  )
}

type Wish = ReturnType<typeof useWish>

/** What the fields have, and what that asks for. */
function useWish() {
  const [name, setName] = useState('')
  const [isWild, setWild] = useState(false)
  const [proof, setProof] = useState<'http' | 'record'>('http')
  const typed = name.trim().toLowerCase()
  const isByRecord = isWild || proof === 'record' || typed.startsWith('*.')
  return { name, setName, isWild, setWild, proof, setProof, typed, isByRecord }
}

function useAdding({ typed, isWild, isByRecord, setName }: Wish, close: () => void) {
  const router = useRouter()
  const { busy, run } = useAct()
  const add = (event: FormEvent) => {
    event.preventDefault()
    if (typed === '') return
    const also = isWild && !typed.startsWith('*.') ? [`*.${typed}`] : []
    run(
      'Adding',
      () => domains.addDomain({ domain: typed, also, proof: isByRecord ? Domain_Proof.DELEGATED : Domain_Proof.HTTP }),
      ({ domain }) => {
        setName('')
        if (domain !== undefined) router[leaving()](domainHref(domain.domain))
        close()
        return { text: `${typed} is added` }
      },
    )
  }
  return { busy, add }
}

function Choices({ wish: { isWild, setWild, proof, setProof } }: { wish: Wish }) {
  return (
    <>
      <div>
        <Segments
          label="Which names"
          className="even"
          value={isWild ? 'all' : 'one'}
          onChange={value => setWild(value === 'all')}
          choices={[
            { value: 'one', label: 'This name' },
            { value: 'all', label: 'And all under it' },
          ]}
        />
      </div>
      {!isWild && (
        <div className="field">
          <span className="lab">How it is proved that it is yours</span>
          <Segments
            label="Proof"
            className="even"
            value={proof}
            onChange={setProof}
            choices={[
              { value: 'http', label: 'By port 80' },
              { value: 'record', label: 'By a record' },
            ]}
          />
        </div>
      )}
    </>
  )
}
