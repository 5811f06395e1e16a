// `pbt http`: puts a local HTTP service on a public address.

import { httpPlan } from '../tunnels/plans.ts'
import type { Command } from './command.ts'
import { ALLOW, JSON_LINES, NAME } from './options.ts'
import { runTunnels } from './tunnels.ts'

interface HttpOptions {
  target: string | undefined
  domain: string[] | undefined
  name: string | undefined
  allow: string[] | undefined
  'host-header': string
  'target-protocol': 'http1' | 'h2c'
  'verify-target': boolean | undefined
  json: boolean | undefined
}

export const http: Command<HttpOptions> = {
  usage: 'http <target>',
  summary: 'put a local HTTP service on a public https address',
  needs: 'a target, for example: pbt http 3000',
  build: yargs =>
    yargs
      .positional('target', {
        type: 'string',
        describe: '3000, HOST:3000, http://HOST:PORT, https://HOST:PORT or unix:/PATH',
      })
      .option('domain', {
        type: 'string',
        array: true,
        requiresArg: true,
        describe:
          'a name below the base domain, or a domain of your own; may be repeated (default: the name that this target had before)',
      })
      .option('name', NAME)
      .option('allow', ALLOW)
      .option('host-header', {
        type: 'string',
        requiresArg: true,
        default: 'preserve',
        describe: 'Host that the target sees: preserve (the public one), rewrite (its own) or a value',
      })
      .option('target-protocol', {
        choices: ['http1', 'h2c'] as const,
        default: 'http1' as const,
        describe: 'what the target speaks',
      })
      .option('verify-target', {
        type: 'boolean',
        describe: 'check the certificate of an https target on this machine too',
      })
      .option('json', JSON_LINES)
      .example('$0 http 3000', 'port 3000 of this machine, under the name it had before')
      .example('$0 http 3000 --domain app --domain app.mine.uk', 'two addresses of the same service')
      .example('$0 http https://nas.lan:5001 --host-header rewrite', 'a service elsewhere in your network'),
  run: async (options, context) => {
    const { target = '', name, allow, domain, hostHeader, targetProtocol, verifyTarget = false } = options
    const plan = httpPlan({ target, name, allow, domain, hostHeader, targetProtocol, verifyTarget })
    return runTunnels([plan], options.json === true, context)
  },
}
