// Everything that the owner may do, once: commands, the API and the panel have it from here.
import type { AddressVerbs } from './addresses.ts'
import type { PanelVerbs } from './panel.ts'
import type { TokenVerbs } from './tokens.ts'

export interface Owner {
  readonly addresses: AddressVerbs
  readonly tokens: TokenVerbs
  readonly panel: PanelVerbs
  /** An address as visitors give it. */
  readonly urlOf: (address: string) => string
}
