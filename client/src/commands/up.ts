// `pbt up`: several tunnels in one process, each described in a few words.
import { resolve } from 'node:path'
import type { ChannelKind } from '@pbt/proto'
import { suggestionFor } from '../../../launch/suggestion.ts'
import { readTunnels } from '../daemon/file-store.ts'
import { Failure } from '../failure.ts'
import { FLAGS, KINDS, LISTS, OPTIONS, planOf, type SpecValue, type TunnelSpec } from '../tunnels/specs.ts'
import type { Command } from './command.ts'
import { detach } from './detach.ts'
import { DETACH, JSON_LINES } from './options.ts'
import { inSpecWords } from './spec-words.ts'
import { runTunnels } from './tunnels.ts'
import { runFile } from './up-file.ts'

interface UpOptions {
  spec: string[] | undefined
  file: string | undefined
  detach: boolean | undefined
  json: boolean | undefined
}

const FORM = 'write KIND:TARGET[,OPTION=VALUE]…, for example http:3000,domain=app or tcp:22,port=20022'
/** Options that a spec spells in another way than a command. */
const SPELT: Readonly<Record<string, string>> = { 'reserve-port': 'port' }

/** Each spec has the options of the command of its kind; all tunnels share one session with the server. */
export const up: Command<UpOptions> = {
  usage: 'up [spec..]',
  summary: 'open several tunnels at once, given here or in a file',
  needs: 'tunnels, for example: pbt up http:3000,domain=app tcp:22',
  build: yargs =>
    yargs
      .positional('spec', {
        type: 'string',
        array: true,
        describe:
          'KIND:TARGET[,OPTION=VALUE]…, KIND http, tcp or udp; the options are those of the commands, port for reserve-port',
      })
      .option('file', {
        type: 'string',
        requiresArg: true,
        describe: 'a file of tunnels such as docs/tunnels.example.yaml; read again when it changes',
      })
      .option('detach', DETACH)
      .option('json', JSON_LINES)
      .example('$0 up http:3000,domain=app tcp:22,port=20022 udp:51820', 'a web service, ssh and WireGuard')
      .example('$0 up --file tunnels.yaml', 'those of a file'),
  run: async (options, context) => {
    const specs = (options.spec ?? []).map(named)
    const isJson = options.json === true
    if (options.file !== undefined) {
      if (specs.length > 0) {
        throw new Failure('usage', 'tunnels are given here and in a file', { cure: 'give the ones or the others' })
      }
      if (options.detach !== true) return await runFile(options.file, isJson, context)
      const entries = readTunnels(resolve(options.file))
      specs.push(...entries.filter(({ isStopped }) => !isStopped).map(({ spec }) => spec))
    } else if (specs.length === 0)
      throw new Failure('usage', `pbt up needs ${up.needs}`, { cure: 'see "pbt up --help"' })
    if (options.detach === true) return await detach(specs, isJson, context)
    return await runTunnels(specs, isJson, context, inSpecWords)
  },
}

/** What is wrong in one of several specs is told with the spec. */
function named(spec: string): TunnelSpec {
  try {
    const read = specOf(spec)
    planOf(read)
    return read
  } catch (cause) {
    if (!(cause instanceof Failure) || cause.message.startsWith(`"${spec}"`)) throw cause
    const message = `"${spec}" cannot be used: ${inSpecWords(cause.message)}`
    throw new Failure(cause.code, message, { cure: inSpecWords(cause.cure), cause })
  }
}

/** Throws Failure `usage`. */
function specOf(spec: string): TunnelSpec {
  const match = /^(http|tcp|udp):([^,]*)((?:,[^,]*)*)$/.exec(spec)
  const kind = KINDS.find(kind => kind === match?.[1])
  if (match === null || kind === undefined) throw wrong(spec, 'it does not begin with http:, tcp: or udp:')
  return { kind, target: match[2] ?? '', options: optionsOf(spec, kind, match[3] ?? '') }
}

function optionsOf(spec: string, kind: ChannelKind, text: string): TunnelSpec['options'] {
  const options: Record<string, SpecValue> = {}
  const names = new Map(OPTIONS[kind].map(name => [SPELT[name] ?? name, name]))
  for (const part of text.split(',').slice(1)) {
    const [key = '', ...rest] = part.split('=')
    const name = names.get(key)
    if (name === undefined) {
      const meant = suggestionFor(key, [...names.keys()])
      const hint = meant === undefined ? `it is one of ${[...names.keys()].join(', ')}` : `did you mean ${meant}?`
      throw wrong(spec, `${kind} has no option "${key}"; ${hint}`)
    }
    const known = options[name]
    if (known !== undefined && !LISTS.has(name)) throw wrong(spec, `${key} is given more than once`)
    const value = rest.join('=')
    if (FLAGS.has(name)) {
      if (rest.length > 0) throw wrong(spec, `${key} takes no value: it is there or not`)
      options[name] = true
      continue
    }
    if (value === '') throw wrong(spec, `${key} has no value`)
    options[name] = LISTS.has(name) ? [...(typeof known === 'object' ? known : []), value] : value
  }
  return options
}

function wrong(spec: string, why: string): Failure {
  return new Failure('usage', `"${spec}" cannot be used: ${why}`, { cure: FORM })
}
