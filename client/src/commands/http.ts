// `pbt http`: puts a local HTTP service on a public address.
import { Failure } from '../failure.ts'
import { createHttpForwarder } from '../forward/http.ts'
import { parseTarget } from '../target.ts'
import type { Command } from './command.ts'
import { runTunnels } from './tunnels.ts'

interface HttpOptions {
  target: string | undefined
  domain: string[] | undefined
  name: string | undefined
  'host-header': string
  'target-protocol': 'http1' | 'h2c'
  'verify-target': boolean | undefined
  json: boolean | undefined
}

export const http: Command<HttpOptions> = {
  usage: 'http <target>',
  summary: 'put a local HTTP service on a public https address',
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
          'a name below the base domain, or a domain of your own; may be repeated (default: the name of last time)',
      })
      .option('name', { type: 'string', requiresArg: true, describe: 'what the tunnel is called in lists' })
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
      .option('json', { type: 'boolean', describe: 'one JSON object a line instead of the live view' })
      .example('$0 http 3000', 'port 3000 of this machine, under the name it had last time')
      .example('$0 http 3000 --domain app --domain app.mine.uk', 'two addresses of the same service')
      .example('$0 http https://nas.lan:5001 --host-header rewrite', 'a service elsewhere in your network'),
  run: async (options, context) => {
    const target = parseTarget(options.target ?? '')
    if (target.isTls && options.targetProtocol === 'h2c') {
      throw new Failure('usage', `target "${target.label}" is https, and h2c is HTTP/2 without TLS`, {
        cure: 'leave out --target-protocol h2c, or give the target as http://',
      })
    }
    if (!/^[\x21-\x7e]+$/.test(options.hostHeader)) {
      throw new Failure('usage', `--host-header ${JSON.stringify(options.hostHeader)} cannot be a Host field`, {
        cure: 'give preserve, rewrite or a host name',
      })
    }
    return runTunnels(
      [
        output => ({
          number: 1,
          kind: 'http',
          name: options.name ?? '',
          domains: options.domain ?? [],
          target: target.label,
          forwarder: createHttpForwarder({
            target,
            hostHeader: options.hostHeader,
            protocol: options.targetProtocol,
            isVerified: options.verifyTarget === true,
            onRequest: record => output.request(record),
          }),
        }),
      ],
      options.json === true,
      context,
    )
  },
}
