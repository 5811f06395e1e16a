// `pbt init`: checks token and server against each other, then stores both.
import { hostname } from 'node:os'
import { PROTOCOL_MAJOR, PROTOCOL_MINOR, systemClock } from '@pbt/proto'
import { homeOf, readSettings, type Settings } from '../config/config.ts'
import { formatServer } from '../config/server-address.ts'
import { machineId, writeStored } from '../config/stored.ts'
import { EXIT, Failure } from '../failure.ts'
import { plainOutput } from '../output/output.ts'
import { AGENT } from '../process/version.ts'
import { dial } from '../session/dial.ts'
import { GOODBYE_MS, Session, type SessionEvents } from '../session/session.ts'
import { type Command, type Context, tellUnknownVariables } from './command.ts'
import { outputOptions } from './output-options.ts'

/** A token is read up to here from standard input; the rest would not be a token. */
const MAX_INPUT_CHARS = 4096

interface InitOptions {
  token: unknown
  server: string | undefined
  ca: string | undefined
  json: boolean | undefined
}

export const init: Command<InitOptions> = {
  usage: 'init [token]',
  summary: 'store the token and the server, after checking them',
  build: yargs =>
    yargs
      .positional('token', {
        // No type: of a lone dash yargs makes `true` then, and an empty string with one.
        describe: 'the token; "-" reads it from standard input, without it PBT_TOKEN or PBT_TOKEN_FILE is taken',
      })
      .option('server', {
        type: 'string',
        describe: 'HOST[:PORT], the base domain of the server (default: the stored one)',
      })
      .option('ca', { type: 'string', requiresArg: true, describe: 'PEM file of the only authority to trust for it' })
      .option('json', { type: 'boolean', describe: 'one JSON object a line' })
      .example('$0 init - --server tunnel.example.com < token.txt', 'the token stays out of the process list')
      .example('$0 init TOKEN --server localhost:8443 --ca dev-ca.pem', 'a server of your own machine'),
  run: async (options, context) => {
    const token = options.token === true ? await readAll(context) : asText(options.token)
    tellUnknownVariables(context)
    const settings = readSettings(context.env, { token, server: options.server, ca: options.ca })
    const id = machineId(settings.home)
    await check(settings, id)
    const server = formatServer(settings.server)
    writeStored(homeOf(context.env), { server, token: settings.token, ca: settings.ca })
    plainOutput(outputOptions(options.json === true, context)).event({ event: 'stored', server })
    return EXIT.stopped
  },
}

function asText(argument: unknown): string | undefined {
  return argument === undefined ? undefined : String(argument)
}

async function readAll({ stdin, stderr }: Context): Promise<string> {
  let text = ''
  if (stdin.isTTY) stderr.write('paste the token, then press Enter\n')
  stdin.setEncoding('utf8')
  for await (const part of stdin) {
    text += String(part)
    if (text.length > MAX_INPUT_CHARS) throw new Failure('usage', 'what standard input brought is too long for a token')
    if (stdin.isTTY && text.includes('\n')) break
  }
  return text
}

/** A real handshake, and a goodbye so that the server keeps nothing. Rejects with the Failure that ended it. */
function check(settings: Settings, id: string): Promise<void> {
  const { server, token, ca } = settings
  const hello = {
    major: PROTOCOL_MAJOR,
    minor: PROTOCOL_MINOR,
    agent: AGENT,
    machineId: id,
    clientId: `${id}.init`,
    generation: BigInt(Date.now()),
    label: hostname(),
  }
  return new Promise((resolve, reject) => {
    let session: Session | undefined
    dial({ server, token, ca, clock: systemClock }, hello, {
      onWelcome: (welcome, line) => {
        session = new Session(welcome, systemClock, NOTHING_TO_DO)
        session.begin(line, [])
        session.sayGoodbye('checked by init')
        systemClock.after(GOODBYE_MS, resolve)
      },
      onBatch: batch => session?.receive(batch),
      onOver: failure => (session === undefined ? reject(failure) : resolve()),
    })
  })
}

const NOTHING_TO_DO: SessionEvents = {
  onOpened: () => {},
  onRefused: () => {},
  onClosed: () => {},
  onNewToken: () => {},
  onGoAway: () => {},
  onSilent: () => {},
  onBroken: () => {},
}
