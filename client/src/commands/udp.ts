// `pbt udp`: puts a local UDP service on a public port.

import { specOf } from '../tunnels/specs.ts'
import type { Command } from './command.ts'
import { detach } from './detach.ts'
import { ALLOW, DETACH, JSON_LINES, NAME, RESERVE_PORT } from './options.ts'
import { runTunnels } from './tunnels.ts'

interface UdpOptions {
  target: string | undefined
  'reserve-port': string | undefined
  allow: string[] | undefined
  name: string | undefined
  'idle-timeout': string | undefined
  'reply-factor': string | undefined
  'proxy-protocol': 'v2' | undefined
  detach: boolean | undefined
  json: boolean | undefined
}

/** The target is a port or HOST:PORT; visitors use a port of the server. */
export const udp: Command<UdpOptions> = {
  usage: 'udp <target>',
  summary: 'put a local UDP service on a public port',
  needs: 'a target, for example: pbt udp 51820',
  build: yargs =>
    yargs
      .positional('target', { type: 'string', describe: '51820 or HOST:51820' })
      .option('reserve-port', RESERVE_PORT)
      .option('allow', ALLOW)
      .option('name', NAME)
      .option('idle-timeout', {
        type: 'string',
        requiresArg: true,
        describe: 'idle timeout of a flow, such as 90s or 5m (default: 60s)',
      })
      .option('reply-factor', {
        type: 'string',
        requiresArg: true,
        describe:
          'send a visitor at most this many times the bytes that it sent, and 64 KiB, until the handshake of WireGuard or ' +
          'QUIC has shown that it gets them (default: 60); more, or "off", lets others flood whose address they forge, ' +
          'unless the service sees to that: docs/limits.md',
      })
      .option('proxy-protocol', {
        choices: ['v2'] as const,
        describe: 'tell the target the address of each visitor with the PROXY protocol, in front of its first datagram',
      })
      .option('detach', DETACH)
      .option('json', JSON_LINES)
      .example('$0 udp 51820 --reserve-port 20820', 'WireGuard on this machine')
      .example('$0 udp 19132 --proxy-protocol v2', 'a game server that sees the addresses of its players'),
  run: async (options, context) => {
    const specs = [specOf('udp', options.target ?? '', options)]
    const serve = options.detach === true ? detach : runTunnels
    return await serve(specs, options.json === true, context)
  },
}
