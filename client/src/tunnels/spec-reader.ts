// Reads tunnels as files and requests have them, `{ http: 3000, domain: app }`: everything that is wrong is told, with its key.
import { suggestionFor } from '../../../launch/suggestion.ts'
import { Failure } from '../failure.ts'
import { FLAGS, KINDS, LISTS, OPTIONS, planOf, type SpecValue, type TunnelSpec } from './specs.ts'

/** What is wrong with a key of a tunnel; '' for the tunnel as a whole. */
export interface Mistake {
  readonly key: string
  readonly message: string
  readonly cure: string
}

const EXAMPLE = 'write for example "http: 3000", "tcp: 22" or "udp: 51820"'

/** The tunnel, or its mistakes. Keys in `others` are left to the caller. */
export function readSpec(value: unknown, others: readonly string[] = []): TunnelSpec | readonly Mistake[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [{ key: '', message: 'a tunnel is a list of keys and values', cure: EXAMPLE }]
  }
  const given = Object.entries(value).filter(([key]) => !others.includes(key))
  const kinds = KINDS.filter(kind => Object.hasOwn(value, kind))
  const [kind] = kinds
  if (kind === undefined) {
    const near = given.map(([key]) => ({ key, kind: suggestionFor(key, KINDS) })).find(({ kind }) => kind !== undefined)
    const cure = near === undefined ? EXAMPLE : `did you mean "${near.kind}"?`
    return [{ key: near?.key ?? '', message: 'the tunnel has no target', cure }]
  }
  const mistakes: Mistake[] = []
  const wrong = (key: string, message: string, cure: string) => mistakes.push({ key, message, cure })
  if (kinds.length > 1)
    wrong(kinds[1] ?? '', `a tunnel has one kind, not ${kinds.join(' and ')}`, 'make two tunnels of it')
  const options: Record<string, SpecValue> = {}
  for (const [key, each] of given) {
    if (KINDS.some(kind => kind === key)) continue
    if (!OPTIONS[kind].includes(key)) {
      wrong(key, `${kind} has no option "${key}"`, unknownCure(key, kind, others))
      continue
    }
    const read = optionIn(key, each)
    if (typeof read === 'object' && 'cure' in read) wrong(key, read.message, read.cure)
    else if (read !== undefined) options[key] = read
  }
  const target = textOf(Object.entries(value).find(([key]) => key === kind)?.[1])
  if (target === undefined) wrong(kind, `${kind} has no target`, EXAMPLE)
  const spec = { kind, target: target ?? '', options }
  mistakes.push(...wrongValues(spec, target !== undefined, mistakes))
  return mistakes.length === 0 ? spec : mistakes
}

/** Of a request. Throws Failure `usage` that names every mistake. */
export function specIn(value: unknown): TunnelSpec {
  const read = readSpec(value)
  if ('kind' in read) return read
  const cure = read.map(({ cure }) => cure).join('; ')
  throw new Failure('usage', read.map(({ message }) => message).join('; '), { cure })
}

/** As files and requests have it. */
export function recordOf({ kind, target, options }: TunnelSpec): Readonly<Record<string, unknown>> {
  return { [kind]: target, ...options }
}

/** Each option alone, so that all that is wrong is told, and what only goes wrong together. */
function wrongValues(spec: TunnelSpec, hasTarget: boolean, known: readonly Mistake[]): Mistake[] {
  const found: Mistake[] = []
  const told = new Set<string>()
  const tryOut = (key: string, tried: TunnelSpec) => {
    try {
      planOf(tried)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      if (told.has(error.message)) return
      told.add(error.message)
      found.push({ key, message: inKeys(error.message), cure: inKeys(error.cure) })
    }
  }
  if (hasTarget) tryOut(spec.kind, { ...spec, options: {} })
  // What is wrong with the target is told once.
  const isTargetWrong = found.length > 0 || !hasTarget
  const target = isTargetWrong ? '1' : spec.target
  for (const [key, value] of Object.entries(spec.options)) {
    if (isTargetWrong && key.includes('target')) continue
    tryOut(key, { ...spec, target, options: { [key]: value } })
  }
  if (found.length + known.length === 0) tryOut(spec.kind, spec)
  return found
}

function unknownCure(key: string, kind: TunnelSpec['kind'], others: readonly string[]): string {
  const names = [...OPTIONS[kind], ...others]
  const meant =
    key === 'port' ? names.find(name => name === 'reserve-port') : suggestionFor(key.replace(/^--/, ''), names)
  return meant === undefined ? `it is one of ${names.join(', ')}` : `did you mean "${meant}"?`
}

function optionIn(key: string, value: unknown): SpecValue | undefined | { message: string; cure: string } {
  if (FLAGS.has(key)) {
    if (value === true || value === false) return value || undefined
    return { message: `${key} is ${shown(value)}`, cure: 'give true or false' }
  }
  if (LISTS.has(key)) {
    const all = Array.isArray(value) ? value.map(textOf) : [textOf(value)]
    const texts = all.filter(text => text !== undefined)
    if (texts.length === all.length && all.length > 0) return texts
    return { message: `${key} is ${shown(value)}`, cure: 'give a value, or a list of them' }
  }
  return textOf(value) ?? { message: `${key} is ${shown(value)}`, cure: 'give one value' }
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'number' && Number.isFinite(value)) return String(value)
  return typeof value === 'string' && value !== '' ? value : undefined
}

function shown(value: unknown): string {
  if (value === null || value === '' || value === undefined) return 'empty'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  return typeof value === 'object' ? 'a list of keys' : JSON.stringify(value)
}

/** Hints as files spell options: without dashes. */
function inKeys(text: string): string {
  return text.replace(/--(?=[a-z])/g, '')
}
