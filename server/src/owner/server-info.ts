// What the server is: its versions, ports and settings, and what is wrong with it at the moment.
import type { CertificateEnd } from '../certs/source.ts'

/** One step of what was looked at. */
export interface Check {
  /** For programs: `certificate`, `allowlist` … */
  readonly step: string
  readonly state: 'ok' | 'failed' | 'not-checked'
  /** What was found. */
  readonly message: string
  /** What to do next, '' when nothing is wrong. */
  readonly cure: string
}

/** A setting and where its value is from. */
export interface SettingLine {
  readonly name: string
  readonly value: string
  readonly source: string
  readonly defaultText: string
  readonly doc: string
}

/** How the server is at this moment; ports are the ones that are bound. */
export interface ServerInfo {
  readonly version: string
  readonly nodeVersion: string
  readonly protocolMajor: number
  readonly protocolMinor: number
  readonly baseDomain: string
  /** 0: it does not run. */
  readonly httpsPort: number
  readonly httpPort: number
  readonly portRange: string
  readonly dataDir: string
  readonly startedAt: Date | undefined
  readonly settings: readonly SettingLine[]
  /** Another process serves beside this one. */
  readonly hasStandIn: boolean
  /** What the panel that is served was made of, '' for none. */
  readonly panelBuild: string
  readonly checks: readonly Check[]
}

/** What does not change while the server runs, and functions for what does. */
export interface ServerVerbsOptions {
  readonly fixed: Omit<ServerInfo, 'httpsPort' | 'httpPort' | 'hasStandIn' | 'panelBuild' | 'checks'>
  /** The ports that are bound. */
  readonly ports: () => { readonly https: number; readonly http: number }
  readonly hasStandIn: () => boolean
  readonly panelBuild: () => string
  /** What is wrong with certificates, a sentence each. */
  readonly certificateFaults: () => readonly string[]
  /** When each certificate ends. */
  readonly certificateEnds: () => readonly CertificateEnd[]
  /** Records of the access log that could not be written. */
  readonly lostRecords: () => number
}

/** Reads only, and waits for nothing. */
export class ServerVerbs {
  private readonly options: ServerVerbsOptions

  constructor(options: ServerVerbsOptions) {
    this.options = options
  }

  info(): ServerInfo {
    const { fixed, ports, hasStandIn, panelBuild } = this.options
    const { https, http } = ports()
    const now = { hasStandIn: hasStandIn(), panelBuild: panelBuild(), checks: this.checks() }
    return { ...fixed, httpsPort: https, httpPort: http, ...now }
  }

  private checks(): Check[] {
    const { certificateFaults, certificateEnds, lostRecords } = this.options
    const checks: Check[] = []
    for (const message of certificateFaults()) {
      checks.push(
        failed(
          'certificate',
          message,
          'repair or replace the files in tls-cert and tls-key; they are reloaded automatically',
        ),
      )
    }
    const now = Date.now()
    for (const { name, at, lateAt, isAutomatic } of certificateEnds()) {
      if (now < lateAt) continue
      const message = `the certificate of ${name} ${at < now ? 'expired' : 'expires'} on ${new Date(at).toISOString().slice(0, 10)}`
      const cure = isAutomatic
        ? '"pbt-server domain list" says why no newer one has come'
        : 'replace its files with a newer certificate'
      checks.push(failed('certificate', message, cure))
    }
    const lost = lostRecords()
    if (lost > 0) {
      checks.push(
        failed(
          'access-log',
          `${lost} records of the access log could not be written`,
          'look at the log of pbt-server: its disk may be full',
        ),
      )
    }
    return checks
  }
}

function failed(step: string, message: string, cure: string): Check {
  return { step, state: 'failed', message, cure }
}
