// The services of the API, for acts; pages ask through connect-query.
import { createClient } from '@connectrpc/connect'
import {
  AddressService,
  ClientService,
  DomainService,
  LogService,
  PanelService,
  ServerService,
  TokenService,
  TunnelService,
} from '@pbt/proto/admin/v1'
import { transport } from './transport'

export const addresses = createClient(AddressService, transport)
export const clients = createClient(ClientService, transport)
export const domains = createClient(DomainService, transport)
export const log = createClient(LogService, transport)
export const panel = createClient(PanelService, transport)
export const server = createClient(ServerService, transport)
export const tokens = createClient(TokenService, transport)
export const tunnels = createClient(TunnelService, transport)
