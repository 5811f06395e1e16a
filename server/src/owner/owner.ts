// Everything that the owner may do, once: commands, the API and the panel have it from here.
import type { AddressVerbs } from './addresses.ts'
import type { ClientVerbs } from './clients.ts'
import type { DomainVerbs } from './domains.ts'
import type { ExplainVerb } from './explain.ts'
import type { LogVerbs } from './log.ts'
import type { MetricsVerbs } from './metrics.ts'
import type { PanelVerbs } from './panel.ts'
import type { ServerVerbs } from './server-info.ts'
import type { TokenVerbs } from './tokens.ts'
import type { TunnelVerbs } from './tunnels.ts'

/** Its parts check what they are given and reject with a Failure for people. */
export interface Owner {
  readonly addresses: AddressVerbs
  readonly clients: ClientVerbs
  readonly domains: DomainVerbs
  readonly tokens: TokenVerbs
  readonly tunnels: TunnelVerbs
  readonly panel: PanelVerbs
  readonly log: LogVerbs
  readonly server: ServerVerbs
  readonly explain: ExplainVerb
  readonly metrics: MetricsVerbs
  /** An address as visitors give it. */
  readonly urlOf: (address: string) => string
}
