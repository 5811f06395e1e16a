// `pbt http`: puts a local HTTP service on a public address.

import { specOf } from '../tunnels/specs.ts'
import type { Command } from './command.ts'
import { detach } from './detach.ts'
import { ALLOW, DETACH, JSON_LINES, NAME } from './options.ts'
import { runTunnels } from './tunnels.ts'

interface HttpOptions {
  target: string | undefined
  domain: string[] | undefined
  name: string | undefined
  allow: string[] | undefined
  'host-header': string
  'target-protocol': 'http1' | 'h2c'
  'verify-target': boolean | undefined
  'target-ca': string | undefined
  'insecure-target': boolean | undefined
  'target-name': string | undefined
  detach: boolean | undefined
  json: boolean | undefined
}

/** A tunnel may have several addresses: `--domain` may be repeated. */
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
          'a name below the base domain such as app or *.app, or a domain of your own; may be repeated (default: the name that this target had before)',
      })
      .option('name', NAME)
      .option('allow', ALLOW)
      .option('host-header', {
        type: 'string',
        requiresArg: true,
        default: 'preserve',
        describe:
          'Host that the target sees: preserve (the public one), rewrite (its own) or a value; Origin, Referer and ' +
          'Destination of its own pages follow it',
      })
      .option('target-protocol', {
        choices: ['http1', 'h2c'] as const,
        default: 'http1' as const,
        describe: 'what the target speaks',
      })
      .option('verify-target', {
        type: 'boolean',
        describe: 'check the certificate of an https target on this machine too; elsewhere it always is',
      })
      .option('target-ca', {
        type: 'string',
        requiresArg: true,
        describe: 'PEM file of the authority, or of the certificate itself, that an https target is checked against',
      })
      .option('insecure-target', {
        type: 'boolean',
        describe: 'take any certificate of an https target, also one that somebody in between has made',
      })
      .option('target-name', {
        type: 'string',
        requiresArg: true,
        describe: 'name to ask an https target for (SNI), and to find in its certificate (default: its host)',
      })
      .option('detach', DETACH)
      .option('json', JSON_LINES)
      .example('$0 http 3000', 'port 3000 of this machine, under the name it had before')
      .example('$0 http 3000 --domain app --domain app.mine.uk', 'two addresses of the same service')
      .example('$0 http https://nas.lan:5001 --host-header rewrite', 'a service elsewhere in your network')
      .example('$0 http https://10.0.0.9 --target-ca nas.pem --target-name nas.lan', 'with a certificate of its own'),
  run: async (options, context) => {
    const specs = [specOf('http', options.target ?? '', options)]
    const serve = options.detach === true ? detach : runTunnels
    return await serve(specs, options.json === true, context)
  },
}
