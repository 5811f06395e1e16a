// Ports as they are without a running server: within their range, those of the server itself left out.
import type { Protocol } from '../relay/address.ts'
import type { Ports } from './addresses.ts'

/** `own`: TCP ports that pbt-server itself has. Whether another program has a port is seen when the server listens. */
export function restingPorts({ first, last }: { first: number; last: number }, own: readonly number[]): Ports {
  return {
    first,
    last,
    obstacle: async (protocol: Protocol, number: number) =>
      protocol === 'tcp' && own.includes(number) ? 'pbt-server itself uses it' : '',
  }
}
