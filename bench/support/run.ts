// What every benchmark does: start the systems, go through its loads in rounds so that drift hits all alike, stop all.
import { parseArgs } from 'node:util'
import { type Load, type Measured, measure, medians } from './measure.ts'
import { type MakeSystem, type System, startOrigin } from './systems.ts'

export interface Options {
  readonly seconds: number
  readonly rounds: number
  /** Names of systems; empty for all. */
  readonly only: readonly string[]
}

/** `--seconds N`, `--rounds N`, `--only pbt,ssh`, `--quick`. */
export function readOptions(seconds: number, rounds: number): Options {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      only: { type: 'string' },
      quick: { type: 'boolean' },
    },
  })
  return {
    seconds: Number(values.seconds ?? (values.quick ? 2 : seconds)),
    rounds: Number(values.rounds ?? (values.quick ? 1 : rounds)),
    only: values.only?.split(',') ?? [],
  }
}

/** Whether `--only` leaves the system in. */
export function isWanted({ only }: Options, system: string): boolean {
  return only.length === 0 || only.some(name => system.includes(name))
}

/** Parts into which a round is cut where processes share cores: the system's placing of them makes each round its own. */
const SHORTER = 4

/** As long in all, in many short rounds. */
export function inShortRounds(options: Options): Options {
  return { ...options, seconds: options.seconds / SHORTER, rounds: options.rounds * SHORTER }
}

/** The systems that are installed and wanted, each with an origin of all in common. */
export async function startSystems(
  makers: readonly MakeSystem[],
  options: Options,
  makeOrigin: typeof startOrigin = startOrigin,
): Promise<{ systems: System[]; stop(): Promise<void> }> {
  const origin = await makeOrigin()
  const systems: System[] = []
  for (const make of makers) {
    const system = await make(origin.port)
    if (system === undefined) continue
    if (isWanted(options, system.name)) systems.push(system)
    else await system.stop()
  }
  return {
    systems,
    stop: async () => {
      for (const system of systems) await system.stop()
      await origin.running.stop()
    },
  }
}

/**
 * Medians over the rounds, by system; a system that cannot do it is left out. A first round does not count: what is compiled
 * while it runs is compiled by then.
 */
export function compare(systems: readonly System[], load: Load, rounds: number): Promise<Map<string, Measured>> {
  return compareBy(systems, system => measure(system, load), rounds)
}

/** The same with any measurement. */
export async function compareBy(
  systems: readonly System[],
  measureOne: (system: System) => Promise<Measured | undefined>,
  rounds: number,
): Promise<Map<string, Measured>> {
  const all = new Map<string, Measured[]>()
  for (let round = 0; round <= rounds; round++) {
    for (const system of systems) {
      const measured = await measureOne(system)
      if (round > 0 && measured !== undefined) all.set(system.name, [...(all.get(system.name) ?? []), measured])
    }
  }
  return new Map([...all].map(([name, measured]) => [name, medians(measured)]))
}
