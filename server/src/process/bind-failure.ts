// Why a port cannot be had, as a failure with a cure.
import type { Config } from '../config/config.ts'
import { Failure, systemCodeOf } from '../failure.ts'

/** The failure for an error of listening; whatever else was thrown stays as it is. */
export function bindFailure(error: unknown, config: Config): unknown {
  if (!isListening(error)) return error
  const port = error instanceof Error && 'port' in error ? Number(error.port) : 0
  const address = error instanceof Error && 'address' in error ? String(error.address) : config.bindAddress.join(', ')
  const setting = settingOf(port, config)
  if (setting === 'dns-port') return dnsFailure(error, address, port)
  const where = `${address} port ${port} (${setting})`
  switch (systemCodeOf(error)) {
    case 'EADDRINUSE':
      return new Failure('port-taken', `cannot listen on ${where}: another program uses it`, {
        cure: `end that program, or choose another port with --${setting}`,
        cause: error,
      })
    case 'EACCES':
      return new Failure('port-denied', `cannot listen on ${where}: not permitted`, {
        cure: `let the program use ports below 1024 (deploy/README.md), or choose one above with --${setting}`,
        cause: error,
      })
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
      return new Failure('address-unavailable', `cannot listen on ${where}: this machine has no such address`, {
        cure: 'name addresses of this machine with --bind-address, for example 0.0.0.0 where there is no IPv6',
        cause: error,
      })
    default:
      return error
  }
}

function settingOf(port: number, config: Config): string {
  if (port === config.httpPort) return 'http-port'
  if (port === config.metricsPort) return 'metrics-port'
  return port !== 0 && port === config.dnsPort ? 'dns-port' : 'https-port'
}

/** Of the DNS responder, which has addresses of its own. */
function dnsFailure(error: unknown, address: string, port: number): unknown {
  const what = `cannot answer DNS on ${address} port ${port} (dns-port)`
  switch (systemCodeOf(error)) {
    case 'EADDRINUSE':
      return new Failure('port-taken', `${what}: another program uses it`, {
        cure: `find it with "ss -lpn sport = :${port}" and end it, or have it listen on other addresses (0.0.0.0 takes them all; 127.0.0.53 of systemd-resolved is no hindrance). Other addresses for the DNS responder: --dns-address`,
        cause: error,
      })
    case 'EACCES':
      return new Failure('port-denied', `${what}: not permitted`, {
        cure: 'let the program use ports below 1024 (deploy/README.md); CAs ask port 53 only',
        cause: error,
      })
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
      return new Failure('address-unavailable', `${what}: this machine has no such address`, {
        cure: 'name the addresses of its network interfaces with --dns-address: behind NAT and in a container they are not those of public-address ("ip address" shows them; 0.0.0.0 is every IPv4 one)',
        cause: error,
      })
    default:
      return error
  }
}

/** Of a socket; a file may have the same codes. */
function isListening(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && (error.syscall === 'listen' || error.syscall === 'bind')
}
