// `pbt tcp`: puts a local TCP service on a public port.

import { specOf } from '../tunnels/specs.ts'
import type { Command } from './command.ts'
import { detach } from './detach.ts'
import { ALLOW, DETACH, JSON_LINES, NAME, RESERVE_PORT } from './options.ts'
import { runTunnels } from './tunnels.ts'

interface TcpOptions {
  target: string | undefined
  'reserve-port': string | undefined
  allow: string[] | undefined
  name: string | undefined
  'proxy-protocol': 'v1' | 'v2' | undefined
  detach: boolean | undefined
  json: boolean | undefined
}

/** The target is a port, HOST:PORT or a unix socket; visitors use a port of the server. */
export const tcp: Command<TcpOptions> = {
  usage: 'tcp <target>',
  summary: 'put a local TCP service on a public port',
  needs: 'a target, for example: pbt tcp 22',
  build: yargs =>
    yargs
      .positional('target', { type: 'string', describe: '22, HOST:22 or unix:/PATH' })
      .option('reserve-port', RESERVE_PORT)
      .option('allow', ALLOW)
      .option('name', NAME)
      .option('proxy-protocol', {
        choices: ['v1', 'v2'] as const,
        describe: 'tell the target the address of each visitor with the PROXY protocol',
      })
      .option('detach', DETACH)
      .option('json', JSON_LINES)
      .example('$0 tcp 22', 'ssh to this machine, on the port it had before')
      .example('$0 tcp 5432 --reserve-port 20432 --allow 203.0.113.0/24', 'a database, for one network'),
  run: async (options, context) => {
    const specs = [specOf('tcp', options.target ?? '', options)]
    const serve = options.detach === true ? detach : runTunnels
    return await serve(specs, options.json === true, context)
  },
}
