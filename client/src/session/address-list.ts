// Targets of grpc-js that are addresses of both families: it tries them by RFC 8305, which it does for names only otherwise.
import { isIPv6 } from 'node:net'
import { experimental } from '@grpc/grpc-js'

const SCHEME = 'pbt'

type Constructor = Parameters<typeof experimental.registerResolver>[1]
type Uri = Parameters<typeof experimental.uriToString>[0]

class AddressList implements experimental.Resolver {
  private readonly path: string
  private readonly listener: experimental.ResolverListener
  private isTold = false

  constructor(target: Uri, listener: experimental.ResolverListener) {
    this.path = target.path
    this.listener = listener
  }

  updateResolution(): void {
    if (this.isTold) return
    this.isTold = true
    process.nextTick(() => {
      if (!this.isTold) return
      const endpoints = this.path.split(',').flatMap(text => {
        const place = experimental.splitHostPort(text)
        return place === null ? [] : [{ addresses: [{ host: place.host, port: place.port ?? 0 }] }]
      })
      this.listener(experimental.statusOrFromValue(endpoints), {}, null, '')
    })
  }

  destroy(): void {
    this.isTold = false
  }

  static getDefaultAuthority(): string {
    return SCHEME
  }
}

experimental.registerResolver(SCHEME, AddressList satisfies Constructor)

/** The gRPC target for these addresses, of which at least one has to be there. */
export function targetOf(addresses: readonly string[], port: number): string {
  return `${SCHEME}:${addresses.map(address => (isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`)).join(',')}`
}
