// `pbt up`: several tunnels in one process, each described in a few words.
import { Failure } from '../failure.ts'
import { httpPlan, type MakePlan, tcpPlan, udpPlan } from '../tunnels/plans.ts'
import type { Command } from './command.ts'
import { JSON_LINES } from './options.ts'
import { inSpecWords } from './spec-words.ts'
import { suggestionFor } from './suggestion.ts'
import { runTunnels } from './tunnels.ts'

interface UpOptions {
  spec: string[] | undefined
  json: boolean | undefined
}

const FORM = 'write KIND:TARGET[,OPTION=VALUE]…, for example http:3000,domain=app or tcp:22,port=20022'
/** Options that are there or not. */
const FLAGS = ['verify-target', 'insecure-target']
/** Options a spec may have; those that may be repeated are lists. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  http: ['domain', 'name', 'allow', 'host-header', 'target-protocol', ...FLAGS, 'target-ca', 'target-name'],
  tcp: ['port', 'name', 'allow', 'proxy-protocol'],
  udp: ['port', 'name', 'allow', 'idle-timeout', 'reply-factor', 'proxy-protocol'],
}
const REPEATABLE = new Set(['domain', 'allow'])

/** Each spec has the options of the command of its kind; all tunnels share one session with the server. */
export const up: Command<UpOptions> = {
  usage: 'up <spec..>',
  summary: 'open several tunnels at once',
  needs: 'tunnels, for example: pbt up http:3000,domain=app tcp:22',
  build: yargs =>
    yargs
      .positional('spec', {
        type: 'string',
        array: true,
        describe:
          'KIND:TARGET[,OPTION=VALUE]…, KIND http, tcp or udp; the options are those of the commands, port for reserve-port',
      })
      .option('json', JSON_LINES)
      .example('$0 up http:3000,domain=app tcp:22,port=20022 udp:51820', 'a web service, ssh and WireGuard'),
  run: async (options, context) => {
    const plans = (options.spec ?? []).map(named)
    return runTunnels(plans, options.json === true, context, inSpecWords)
  },
}

/** What is wrong in one of several specs is told with the spec. */
function named(spec: string): MakePlan {
  try {
    return planOf(spec)
  } catch (cause) {
    if (!(cause instanceof Failure) || cause.message.startsWith(`"${spec}"`)) throw cause
    const message = `"${spec}" cannot be used: ${inSpecWords(cause.message)}`
    throw new Failure(cause.code, message, { cure: inSpecWords(cause.cure), cause })
  }
}

/** Throws Failure `usage`. */
function planOf(spec: string): MakePlan {
  const match = /^(http|tcp|udp):([^,]*)((?:,[^,]*)*)$/.exec(spec)
  if (match === null) throw wrong(spec, 'it does not begin with http:, tcp: or udp:')
  const [, kind = '', target = '', rest = ''] = match
  const values = optionsOf(spec, kind, rest)
  const one = (key: string) => values.get(key)?.[0]
  const common = { target, name: one('name'), allow: values.get('allow') }
  if (kind === 'tcp') return tcpPlan({ ...common, reservePort: one('port'), proxyProtocol: one('proxy-protocol') })
  if (kind === 'udp') {
    const [idleTimeout, replyFactor] = [one('idle-timeout'), one('reply-factor')]
    const proxyProtocol = one('proxy-protocol')
    return udpPlan({ ...common, reservePort: one('port'), idleTimeout, replyFactor, proxyProtocol })
  }
  const targetProtocol = one('target-protocol') ?? 'http1'
  if (targetProtocol !== 'http1' && targetProtocol !== 'h2c') throw wrong(spec, 'target-protocol is http1 or h2c')
  return httpPlan({
    ...common,
    domain: values.get('domain'),
    hostHeader: one('host-header') ?? 'preserve',
    targetProtocol,
    verifyTarget: values.has('verify-target'),
    insecureTarget: values.has('insecure-target'),
    targetCa: one('target-ca'),
    targetName: one('target-name'),
  })
}

function optionsOf(spec: string, kind: string, text: string): Map<string, string[]> {
  const values = new Map<string, string[]>()
  for (const part of text.split(',').slice(1)) {
    const [key = '', ...value] = part.split('=')
    if (KEYS[kind]?.includes(key) !== true) {
      const meant = suggestionFor(key, KEYS[kind] ?? [])
      const hint = meant === undefined ? `it is one of ${KEYS[kind]?.join(', ')}` : `did you mean ${meant}?`
      throw wrong(spec, `${kind} has no option "${key}"; ${hint}`)
    }
    const known = values.get(key)
    if (known !== undefined && !REPEATABLE.has(key)) throw wrong(spec, `${key} is given more than once`)
    if (FLAGS.includes(key)) {
      if (value.length > 0) throw wrong(spec, `${key} takes no value: it is there or not`)
    } else if (value.join('=') === '') throw wrong(spec, `${key} has no value`)
    values.set(key, [...(known ?? []), value.join('=')])
  }
  return values
}

function wrong(spec: string, why: string): Failure {
  return new Failure('usage', `"${spec}" cannot be used: ${why}`, { cure: FORM })
}
