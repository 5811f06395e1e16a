// What is wrong with this server and around it, step by step, whether it runs or not. Only looks; changes nothing.
import { spawnSync } from 'node:child_process'
import { type Config, isServiceData, isServiceInstalled } from '../config/config.ts'
import { resolveHost } from '../process/resolve.ts'
import { checkAutomatic, type OwnDomain } from './automatic.ts'
import { checkCertificates } from './certificates.ts'
import { checkData } from './data.ts'
import { type Finding, failed } from './finding.ts'
import { checkFirewall, type Opening } from './firewall.ts'
import { checkInstallation } from './installation.ts'
import { checkMachine } from './machine.ts'
import { checkNames } from './names.ts'
import { checkPorts } from './ports.ts'

const ASK = { stdio: 'ignore', timeout: 5_000 } as const

/** The server that runs on the data directory. */
export interface RunningServer {
  readonly pid: number
  readonly version: string
}

/** What is to be looked at. */
export interface Patient {
  readonly config: Config
  /** Of this program. */
  readonly version: string
  readonly running: RunningServer | undefined
  /** Its own domains, as it tells them. */
  readonly domains: readonly OwnDomain[] | undefined
}

/** Whether systemd has the service of this machine running, or starting. */
export function isServiceActive(): boolean {
  return isServiceInstalled() && spawnSync('systemctl', ['--quiet', 'is-active', 'pbt-server'], ASK).status === 0
}

/** Every finding, in the order in which to mend. Rejects only when this program is at fault. */
export async function examine({ config, version, running, domains }: Patient): Promise<readonly Finding[]> {
  const { dataDir, baseDomain, publicAddress, portRange } = config
  const isService = isServiceData(dataDir)
  const isRunning = running !== undefined
  const clockUrl = baseDomain === 'localhost' ? undefined : config.acmeDirectory || undefined
  const [data, machine, names] = await Promise.all([
    checkData({ dataDir, isService, isRunning }),
    checkMachine({ clockUrl, pid: running?.pid, isService }),
    checkNames({ baseDomain, publicAddress, resolve: host => resolveHost(host, config.dnsResolver) }),
  ])
  const ports = [
    { setting: 'https-port', port: config.httpsPort, protocol: 'tcp' },
    { setting: 'http-port', port: config.httpPort, protocol: 'tcp' },
    { setting: 'dns-port', port: config.dnsPort, protocol: 'udp' },
  ] as const
  return [
    ...checkInstallation({ version, running: running?.version, isService }),
    ...data,
    ...machine,
    ...checkPorts({ ports, range: portRange, isRunning, isService }),
    ...(baseDomain === 'localhost' ? [] : checkFirewall(openings(config))),
    ...names,
    ...checkCertificates({ ...config, now: Date.now() }),
    ...checkAutomatic({ ...config, hasFiles: config.tlsCert.length > 0, domains }),
    ...noCertificates(config),
  ]
}

function openings({ httpsPort, httpPort, dnsPort, portRange }: Config): Opening[] {
  const single = (protocol: 'tcp' | 'udp', port: number): Opening[] =>
    port === 0 ? [] : [{ protocol, first: port, last: port }]
  const tunnels = (['tcp', 'udp'] as const).map(protocol => ({ protocol, ...portRange }))
  return [
    ...single('tcp', httpsPort),
    ...single('tcp', httpPort),
    ...single('udp', dnsPort),
    ...single('tcp', dnsPort),
    ...tunnels,
  ]
}

/** Neither files, nor a CA, nor the authority for localhost. */
function noCertificates({ baseDomain, tlsCert, acmeDirectory }: Config): Finding[] {
  if (baseDomain === 'localhost' || tlsCert.length > 0 || acmeDirectory !== '') return []
  return [
    failed(
      'certificates',
      'no files (tls-cert) and no CA (acme-directory)',
      `list files for *.${baseDomain} in tls-cert and tls-key`,
    ),
  ]
}
