// What is wrong with the settings, all of it, in words that say what would be right.

/** One value that is not right, where it was given, and what would be right. */
export interface ConfigProblem {
  /** '' when the file as a whole is not right. */
  readonly key: string
  readonly value: string
  /** `server.yaml:3`, `PBT_SERVER_HTTPS_PORT`, `--https-port` or `default`. */
  readonly source: string
  /** What would be right. For a key that no setting has: the keys there are. */
  readonly expected: string
  readonly isUnknown?: boolean
}

/** Has every problem that was found, not only the first. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(sentenceOf).join('; '))
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** One problem as a sentence. */
export function sentenceOf({ key, value, source, expected, isUnknown }: ConfigProblem): string {
  if (isUnknown) return `${source}: unknown setting ${key} (its value is "${value}")`
  if (source === 'default') return `${key} must be ${expected}`
  if (key === '') return `${source}: must be ${expected}`
  return `${source}: ${key} is "${value}" but must be ${expected}`
}
