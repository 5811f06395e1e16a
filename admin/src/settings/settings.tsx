'use client'
// Every setting and where its value is from, health and versions. Settings are changed in the file, not here.
import { useQuery } from '@connectrpc/connect-query'
import { type Check, Check_State, type GetServerInfoResponse, ServerService, type Setting } from '@pbt/proto/admin/v1'
import { useState } from 'react'
import { Button } from '../components/button'
import { Loading } from '../components/loading'
import { useIsPhone } from '../components/media'
import { PageHead } from '../components/page-head'
import { Card, Command, State } from '../components/parts'
import { useLive } from '../live/live'
import { sentence } from '../words/sentence'
import { howLong, millis } from '../words/time'

/** The first group that fits has the setting. */
const GROUPS: readonly (readonly [title: string, names: RegExp])[] = [
  ['Certificates', /^(?:tls|acme|dns)-/],
  ['Observation', /^(?:metrics|otlp|log|notify)(?:-|$)/],
  ['Kept', /^(?:data-dir|access-log)/],
  ['Names and ports', /^(?:base-domain|bind-address|public|port-range|.*-ports?$)/],
  ['Who may come, and how much', /./],
]
const ORDER = ['Names and ports', 'Certificates', 'Who may come, and how much', 'Observation', 'Kept']

export function Settings() {
  const { data, isFetching, refetch } = useQuery(ServerService.method.getServerInfo, {})
  const live = useLive(each => each.server)
  const server = data ?? live
  if (server === undefined) return <Loading title="Settings" />
  return (
    <>
      <PageHead
        title="Settings"
        lead="Shown here, changed in the file, so that a backup of the file is a backup of the settings."
      />
      <div className="cols">
        <div className="stack">
          {ORDER.map(title => (
            <Group title={title} settings={server.settings.filter(({ name }) => groupOf(name) === title)} key={title} />
          ))}
        </div>
        <div className="stack">
          <Health server={server} isBusy={isFetching} again={() => refetch()} />
          <Change settings={server.settings} />
          <Versions server={server} />
        </div>
      </div>
    </>
  )
}

function groupOf(name: string): string {
  return GROUPS.find(([, names]) => names.test(name))?.[0] ?? ''
}

function Group({ title, settings }: { title: string; settings: readonly Setting[] }) {
  // On a phone those that are as they came are screens to scroll past.
  const isBrief = useIsPhone()
  const [isWhole, setWhole] = useState(false)
  if (settings.length === 0) return null
  const own = settings.filter(({ source }) => source !== 'default')
  const shown = isBrief && !isWhole ? own : settings
  const others = settings.length - shown.length
  return (
    <Card id={`set-${title.replaceAll(/\W+/g, '-')}`} title={title}>
      <ul className="settings">
        {shown.map(({ name, value, source, defaultValue, doc }) => (
          <li key={name}>
            <div>
              <b>{name}</b>
              <small>{sentence(doc)}</small>
            </div>
            <div>
              <code>{value || 'not set'}</code>
              {defaultValue !== '' && defaultValue !== value && <small>default {defaultValue}</small>}
            </div>
            <span className={source === 'default' ? 'faint' : 'muted'}>{source}</span>
          </li>
        ))}
      </ul>
      {others > 0 && (
        <p className="card-foot">
          <Button small onClick={() => setWhole(true)}>
            {`${others} ${own.length > 0 ? 'more, ' : ''}at ${others === 1 ? 'its default' : 'their defaults'}`}
          </Button>
        </p>
      )}
    </Card>
  )
}

function Health({ server, isBusy, again }: { server: GetServerInfoResponse; isBusy: boolean; again: () => void }) {
  const since = millis(server.startTime)
  return (
    <Card
      id="health"
      title="Health"
      aside={
        <Button small className="push" busy={isBusy && 'Checking'} onClick={again}>
          Check again
        </Button>
      }
    >
      <ul className="lines">
        <li>
          <State mark="ok" tone="ok" word="Server">
            {since === undefined ? 'runs' : `up ${howLong(Math.max(1_000, Date.now() - since))}`}
            {server.hasStandIn && ', another process serves beside it and has its own sessions'}
          </State>
        </li>
        {server.checks.map((check, index) => (
          // Several checks may have the same step: of several names.
          // biome-ignore lint/suspicious/noArrayIndexKey: the list comes whole
          <CheckLine check={check} key={index} />
        ))}
      </ul>
    </Card>
  )
}

function CheckLine({ check: { step, state, message, cure } }: { check: Check }) {
  const isGood = state === Check_State.OK
  const isBad = state === Check_State.FAILED
  const word = step.charAt(0).toUpperCase() + step.slice(1)
  return (
    <li>
      <State mark={isGood ? 'ok' : isBad ? 'bad' : 'none'} tone={isGood ? 'ok' : isBad ? 'bad' : ''} word={word}>
        {sentence(message)} {cure && sentence(cure)}
      </State>
    </li>
  )
}

/** The file that is in use, as its own values name it. */
function fileIn(settings: readonly Setting[]): string {
  const named = settings.map(({ source }) => /^(\/.*) line \d+$/.exec(source)?.[1]).find(each => each !== undefined)
  return named ?? '/etc/pbt-server/server.yaml'
}

function Change({ settings }: { settings: readonly Setting[] }) {
  return (
    <Card id="change" title="To change something">
      <div className="pad stack-sm">
        <Command line={`sudoedit ${fileIn(settings)}`} />
        <Command line="sudo systemctl restart pbt-server" />
        <p className="small muted">
          Clients and visitors wait meanwhile; what is open longer than the drain time ends.
        </p>
      </div>
    </Card>
  )
}

function Versions({ server }: { server: GetServerInfoResponse }) {
  const clients = useLive(live => live.clients)
  const { version, nodeVersion, protocolMajor, protocolMinor, panelBuild } = server
  return (
    <Card id="versions" title="Versions and backup">
      <dl className="facts pad">
        <dt>pbt-server</dt>
        <dd>{version}</dd>
        <dt>Node</dt>
        <dd>{nodeVersion}</dd>
        <dt>Protocol</dt>
        <dd>
          {protocolMajor}.{protocolMinor}
        </dd>
        <dt>Panel</dt>
        <dd className="mono">{panelBuild || 'unknown'}</dd>
        {[...(clients?.values() ?? [])].map(client => (
          <ClientVersion label={client.label || client.id} version={client.agent.replace('/', ' ')} key={client.id} />
        ))}
      </dl>
      <div className="pad">
        <Command line="sudo pbt-server backup pbt.backup" />
      </div>
    </Card>
  )
}

function ClientVersion({ label, version }: { label: string; version: string }) {
  return (
    <>
      <dt>{label}</dt>
      <dd>{version || 'unknown'}</dd>
    </>
  )
}
