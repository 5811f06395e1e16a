// `pbt allow`: lets somebody in from the client's side, whether a tunnel runs here or not.
import { hostname } from 'node:os'
import { systemClock } from '@pbt/proto'
import { readSettings } from '../config/config.ts'
import { machineId } from '../config/stored.ts'
import { EXIT, Failure } from '../failure.ts'
import { plainOutput } from '../output/output.ts'
import { AGENT } from '../process/version.ts'
import { onErrand } from '../session/brief.ts'
import { Lookup } from '../session/lookup.ts'
import { checkBlock } from '../tunnels/plans.ts'
import { type Command, tellUnknownVariables } from './command.ts'
import { JSON_LINES } from './options.ts'
import { outputOptions } from './output-options.ts'

/** The server writes each list to its database. */
const ALLOW_MS = 15_000
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

interface AllowOptions {
  name: string | undefined
  who: string[] | undefined
  for: string | undefined
  json: boolean | undefined
}

/** Connects for a moment, with an id of its own: tunnels that run here are not touched. */
export const allow: Command<AllowOptions> = {
  usage: 'allow <name> <who..>',
  summary: 'let somebody visit a tunnel of this machine: its allowlist has one entry more',
  needs: 'a tunnel and who may visit it, for example: pbt allow myapp me --for 8h',
  build: yargs =>
    yargs
      .positional('name', { type: 'string', describe: 'name of the tunnel, or one of its addresses' })
      .positional('who', {
        type: 'string',
        array: true,
        describe: '"me", the address that the server sees this machine come from; or IP addresses and CIDR blocks',
      })
      .option('for', {
        type: 'string',
        requiresArg: true,
        describe: 'for how long, for example 90s, 30m, 8h or 2d (default: for good)',
      })
      .option('json', JSON_LINES)
      .example('$0 allow myapp me --for 8h', 'from where you are, until tonight')
      .example('$0 allow tcp-20022 203.0.113.0/24', 'a network, for good'),
  run: async ({ name = '', who = [], for: time, json }, context) => {
    tellUnknownVariables(context)
    const blocks = who.filter(each => each !== 'me')
    for (const block of blocks) checkBlock(block, `"${block}"`)
    const wish = { tunnel: name, blocks, isMe: blocks.length < who.length, durationMs: durationOf(time) }
    const settings = readSettings(context.env)
    const options = { ...settings, lookup: new Lookup(systemClock), clock: systemClock }
    const errand = { agent: AGENT, machineId: machineId(settings.home), label: hostname(), purpose: 'allow' }
    const answer = await onErrand(options, errand, ALLOW_MS, session => session.letIn(wish))
    const { blocks: allowed, addresses, open } = answer
    const until = wish.durationMs === 0 ? undefined : new Date(Date.now() + wish.durationMs).toISOString()
    plainOutput(outputOptions(json === true, context)).event({
      ...{ event: 'allowed', tunnel: name, blocks: allowed, addresses, everybody: open },
      until,
    })
    return EXIT.stopped
  },
}

function durationOf(text: string | undefined): number {
  if (text === undefined) return 0
  const [, number, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text.trim()) ?? []
  const ms = Number(number ?? 0) * (UNIT_MS[unit] ?? 0)
  if (ms > 0) return ms
  throw new Failure('usage', `--for "${text}" is not a time`, { cure: 'for example 90s, 30m, 8h or 2d' })
}
