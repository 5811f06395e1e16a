// `pbt init`: checks token and server against each other, then stores both.
import { hostname } from 'node:os'
import { createInterface } from 'node:readline'
import { systemClock } from '@pbt/proto'
import { homeOf, readSettings, type Settings, serverOf } from '../config/config.ts'
import { formatServer } from '../config/server-address.ts'
import { machineId, readStored, writeStored } from '../config/stored.ts'
import { EXIT, Failure } from '../failure.ts'
import { plainOutput } from '../output/output.ts'
import { AGENT } from '../process/version.ts'
import { onErrand } from '../session/brief.ts'
import { Lookup } from '../session/lookup.ts'
import { type Command, type Context, tellUnknownVariables } from './command.ts'
import { readHidden } from './hidden-input.ts'
import { JSON_LINES } from './options.ts'
import { outputOptions } from './output-options.ts'

/** A token is read up to here from standard input; the rest would not be a token. */
const MAX_INPUT_CHARS = 4096
/** The dial and the handshake have their own limits within this. */
const CHECK_MS = 15_000

interface InitOptions {
  token: unknown
  server: string | undefined
  ca: string | undefined
  yes: boolean | undefined
  json: boolean | undefined
}

/** Stores nothing before the server has accepted the token. */
export const init: Command<InitOptions> = {
  usage: 'init [token]',
  summary: 'store the token and the server, after checking them',
  needs: 'a server, for example: pbt init --server tunnel.example.com',
  build: yargs =>
    yargs
      .positional('token', {
        // No type: of a lone dash yargs makes `true` then, and an empty string with one.
        describe:
          'the token, which stays in the history of the shell; without it PBT_TOKEN, PBT_TOKEN_FILE or the stored one is taken, or a terminal is asked; "-" reads standard input',
      })
      .option('server', {
        type: 'string',
        requiresArg: true,
        describe: 'HOST[:PORT], the base domain of the server (default: the stored one)',
      })
      .option('ca', {
        type: 'string',
        requiresArg: true,
        describe: 'PEM file of the certificate authority to trust for this server, and no other',
      })
      .option('yes', { type: 'boolean', describe: 'replace another server that is stored, without asking' })
      .option('json', JSON_LINES)
      .example('$0 init --server tunnel.example.com', 'asks for the token, and does not show it')
      .example('$0 init - --server tunnel.example.com < token.txt', 'takes it from a file')
      .example('$0 init --server localhost:8443 --ca dev-ca.pem', 'a server on this machine'),
  run: async (options, context) => {
    tellUnknownVariables(context)
    const replaced = storedBefore(context, options.server)
    if (replaced !== undefined && options.yes !== true) await agreeToReplace(replaced, options.json === true, context)
    const token =
      options.token === true ? await readAll(context) : (asText(options.token) ?? (await askFor(options, context)))
    const settings = readSettings(context.env, { token, server: options.server, ca: options.ca })
    const id = machineId(settings.home)
    await check(settings, id)
    const server = formatServer(settings.server)
    writeStored(settings.home, { server, token: settings.token, ca: settings.ca })
    plainOutput(outputOptions(options.json === true, context)).event({ event: 'stored', server, replaced })
    return EXIT.stopped
  },
}

/** The server that is stored, when this one is another. */
function storedBefore({ env }: Context, server: string | undefined): string | undefined {
  try {
    const stored = readStored(homeOf(env))
    const given = server === undefined ? {} : { server }
    return stored === undefined || formatServer(serverOf(env, given, stored)) === stored.server
      ? undefined
      : stored.server
  } catch {
    return undefined // what is damaged is written anew, and what was given wrongly is told with all else
  }
}

/** Throws Failure `usage` unless a user at a terminal agrees. */
async function agreeToReplace(replaced: string, isJson: boolean, context: Context): Promise<void> {
  const { stdin, stderr } = context
  const message = `${replaced} is stored, and its token would be replaced`
  const cure = 'add --yes to replace it, or set PBT_HOME to another directory for a second server'
  if (isJson || !stdin.isTTY || !stderr.isTTY) throw new Failure('usage', message, { cure })
  const lines = createInterface({ input: stdin })
  try {
    stderr.say(`pbt: ${message}\nGo on? [y/N] `)
    const { value = '' } = await lines[Symbol.asyncIterator]().next()
    if (!/^\s*y(es)?\s*$/i.test(value)) throw new Failure('usage', `${replaced} stays stored`, { cure })
  } finally {
    lines.close()
  }
}

/** A person at a terminal, where no token is known and a server is. Throws Failure for a server that is none. */
async function askFor({ server, json }: InitOptions, context: Context): Promise<string | undefined> {
  const { env, stdin, stderr } = context
  if (json === true || !stdin.isTTY || !stderr.isTTY || env.PBT_TOKEN || env.PBT_TOKEN_FILE) return undefined
  const stored = storedOrNone(env)
  if (server === undefined && !env.PBT_SERVER && stored === undefined) return undefined
  const named = formatServer(serverOf(env, server === undefined ? {} : { server }, stored))
  return stored?.server === named ? undefined : await askHidden(context)
}

/** What is damaged is written anew. */
function storedOrNone(env: Context['env']): ReturnType<typeof readStored> {
  try {
    return readStored(homeOf(env))
  } catch {
    return undefined
  }
}

async function askHidden({ stdin, stderr }: Context): Promise<string> {
  stderr.write('pbt: paste the token, then press Enter; it is not shown: ')
  const text = await readHidden(stdin, MAX_INPUT_CHARS, () => process.kill(process.pid, 'SIGINT'))
  stderr.write('\n')
  return text
}

function asText(argument: unknown): string | undefined {
  return argument === undefined ? undefined : String(argument)
}

async function readAll(context: Context): Promise<string> {
  const { stdin } = context
  if (stdin.isTTY) return await askHidden(context)
  let text = ''
  stdin.setEncoding('utf8')
  for await (const part of stdin) {
    text += String(part)
    if (text.length > MAX_INPUT_CHARS) throw new Failure('usage', 'standard input is too long for a token')
  }
  return text
}

/** A real handshake, and a goodbye so that the server keeps nothing. Rejects with the Failure that ended it. */
async function check(settings: Settings, id: string): Promise<void> {
  const options = { ...settings, lookup: new Lookup(systemClock), clock: systemClock }
  await onErrand(options, { agent: AGENT, machineId: id, label: hostname(), purpose: 'init' }, CHECK_MS, () => {})
}
