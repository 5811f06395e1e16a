// The text of tunnels.yaml: read with every mistake told by its line, and changed without touching what else people wrote there.
import { isAbsolute, resolve } from 'node:path'
import { MAX_TUNNELS } from '@pbt/proto'
import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLMap,
  YAMLSeq,
} from 'yaml'
import { readSpec, recordOf } from '../tunnels/spec-reader.ts'
import { LISTS, nameOf, type TunnelSpec } from '../tunnels/specs.ts'
import type { Entry } from '../tunnels/tunnel-list.ts'
import type { Change } from '../tunnels/verbs.ts'

/** What is wrong, from line 1 on. */
export interface FileMistake {
  readonly line: number
  readonly message: string
  readonly cure: string
}

/** The tunnels that are right, and every mistake. */
export interface Parsed {
  readonly entries: readonly Entry[]
  readonly mistakes: readonly FileMistake[]
}

/** A thousand for each tunnel that there may be: more is no list that somebody wrote, and reading it would hold up visitors. */
export const MAX_CHARS = 1 << 18
/** Some editors begin a file with it. */
const BYTE_ORDER_MARK = /^\ufeff/
const STOPPED = 'stopped'
const FORM = 'write a list, each tunnel as "- http: 3000" with its options below'
const HEADER = ` Tunnels that "pbt daemon" keeps up. A list: kind and target, then options as on the command line, without dashes.
 May be edited: it is read again when it changes, and a file with mistakes changes nothing ("pbt status" shows them). A daemon that
 begins with such a file opens the tunnels that have none.`

/** Reads the text. `directory`: that of the file, which relative paths in it begin at. */
export function parseTunnels(text: string, directory: string): Parsed {
  if (text.length > MAX_CHARS) {
    return none({ line: 1, message: `the file is longer than ${MAX_CHARS} characters`, cure: 'make it shorter' })
  }
  const lines = new LineCounter()
  const document = parseDocument(text.replace(BYTE_ORDER_MARK, ''), {
    lineCounter: lines,
    prettyErrors: false,
    merge: false,
  })
  const mistakes: FileMistake[] = document.errors.map(error => ({
    line: lines.linePos(error.pos[0]).line,
    message: inWords(error.message),
    cure: 'see https://yaml.org, or docs/tunnels.example.yaml',
  }))
  // Where the text ends in a mistake, what stands before it may be another thing than was meant.
  if (mistakes.length > 0) return none(...mistakes)
  const { contents } = document
  if (contents === null || (isScalar(contents) && contents.value === null)) return none()
  if (!isSeq(contents)) return none({ line: lineOf(contents, lines), message: 'the file is not a list', cure: FORM })
  const entries: { entry: Entry; node: Node }[] = []
  const seen = new Map<string, number>()
  for (const node of contents.items as Node[]) {
    const read = readEntry(node, document, directory, lines)
    if (Array.isArray(read)) mistakes.push(...read)
    else entries.push({ entry: read as Entry, node })
  }
  const right = entries.filter(each => {
    const claims = repeated(each, lines, seen)
    mistakes.push(...claims)
    return claims.length === 0
  })
  if (contents.items.length > MAX_TUNNELS) {
    const message = `${contents.items.length} tunnels are more than the ${MAX_TUNNELS} that one process may have`
    mistakes.push({ line: lineOf(contents.items[MAX_TUNNELS] as Node, lines), message, cure: 'take some of them out' })
  }
  mistakes.sort((left, right) => left.line - right.line)
  return { entries: right.slice(0, MAX_TUNNELS).map(({ entry }) => entry), mistakes }
}

function none(...mistakes: FileMistake[]): Parsed {
  return { entries: [], mistakes }
}

/** The text after the change, with comments and order kept. The text has no mistakes. */
export function editTunnels(text: string, change: Change): string {
  const document = parseDocument(text.replace(BYTE_ORDER_MARK, ''))
  if (!isSeq(document.contents)) {
    const list = new YAMLSeq()
    document.contents = list as never
    if (!/^#/m.test(text)) document.commentBefore = HEADER
  }
  const list = document.contents as unknown as YAMLSeq
  list.flow = false
  if (change.kind === 'add') list.items.push(document.createNode(written(change.entry)))
  else if (change.kind === 'remove') list.items.splice(change.at, 1)
  else {
    const item = list.items[change.at]
    if (isMap(item)) rewrite(item, written(change.entry), document)
  }
  return document.toString({ lineWidth: 0 })
}

/** A line for each, as people are told. */
export function mistakeLines(path: string, mistakes: readonly FileMistake[]): string[] {
  return mistakes.map(({ line, message, cure }) => `${path}:${line}: ${message}; ${cure}`)
}

function readEntry(node: Node, document: Document, directory: string, lines: LineCounter): Entry | FileMistake[] {
  const aliased = aliasMistakes(node, document, lines)
  if (aliased.length > 0) return aliased
  const value = isMap(node) ? plainOf(node, document) : undefined
  if (value instanceof ReferenceError) {
    const message = 'its aliases stand for more than a tunnel has'
    return [{ line: lineOf(node, lines), message, cure: 'write it out without them' }]
  }
  if (!isMap(node) || typeof value !== 'object' || value === null) {
    return [{ line: lineOf(node, lines), message: 'this is not a tunnel', cure: FORM }]
  }
  const record: Record<string, unknown> = { ...value }
  const ca = record['target-ca']
  if (typeof ca === 'string' && !isAbsolute(ca) && !ca.startsWith('~')) record['target-ca'] = resolve(directory, ca)
  const mistakes: FileMistake[] = []
  const { [STOPPED]: stopped = false } = record
  if (typeof stopped !== 'boolean') {
    const message = `${STOPPED} is ${JSON.stringify(stopped)}`
    mistakes.push({ line: keyLine(node, STOPPED, lines), message, cure: 'give true or false' })
  }
  const read = readSpec(record, [STOPPED])
  if ('kind' in read) return mistakes.length > 0 ? mistakes : { spec: read, isStopped: stopped === true }
  return [...mistakes, ...read.map(({ key, message, cure }) => ({ line: keyLine(node, key, lines), message, cure }))]
}

/** What begins with a star means another place of the file: not what somebody wants who writes `*.mine.uk`. */
function aliasMistakes(node: Node, document: Document, lines: LineCounter): FileMistake[] {
  const mistakes: FileMistake[] = []
  visit(node, {
    Alias: (_key, alias) => {
      if (alias.resolve(document) !== undefined) return
      const message = `*${alias.source} is an alias in YAML, and nothing has that name`
      mistakes.push({ line: lineOf(alias, lines), message, cure: `put it in quotes: "*${alias.source}"` })
    },
  })
  return mistakes
}

/** ReferenceError: the library guards against aliases of aliases, which can stand for any amount. */
function plainOf(map: YAMLMap, document: Document): unknown {
  try {
    return map.toJS(document)
  } catch (error) {
    if (error instanceof ReferenceError) return error
    throw error
  }
}

/** A tunnel is its name, and an address is one tunnel's. `seen`: those of the tunnels before, with their lines. */
function repeated(
  { entry, node }: { entry: Entry; node: Node },
  lines: LineCounter,
  seen: Map<string, number>,
): FileMistake[] {
  const line = lineOf(node, lines)
  return claimsOf(entry.spec).flatMap(({ what, key }) => {
    const before = seen.get(what)
    if (before === undefined) {
      seen.set(what, line)
      return []
    }
    const message = `${what} is given twice, before on line ${before}`
    return [{ line: isMap(node) ? keyLine(node, key, lines) : line, message, cure: 'change one of them' }]
  })
}

function claimsOf(spec: TunnelSpec): { what: string; key: string }[] {
  const { domain, name, 'reserve-port': port } = spec.options
  const domains = typeof domain === 'object' ? domain : []
  return [
    ...(typeof name === 'string' ? [{ what: `the name "${nameOf(spec)}"`, key: 'name' }] : []),
    ...domains.map(each => ({ what: `the domain "${each.toLowerCase()}"`, key: 'domain' })),
    ...(typeof port === 'string' ? [{ what: `the ${spec.kind} port ${port}`, key: 'reserve-port' }] : []),
  ]
}

function lineOf(node: Node, lines: LineCounter): number {
  return lines.linePos(node.range?.[0] ?? 0).line
}

function keyLine(map: YAMLMap, key: string, lines: LineCounter): number {
  const pair = map.items.find(({ key: each }) => isScalar(each) && String(each.value) === key)
  return lineOf((pair?.key ?? map) as Node, lines)
}

/** The library names what it found by its own terms. */
function inWords(message: string): string {
  const text = message.replace(/\s+/g, ' ').trim()
  return text.charAt(0).toLowerCase() + text.slice(1).replace(/\.$/, '')
}

/** As people would write it: numbers as numbers, one value without a list. */
function written({ spec, isStopped }: Entry): Record<string, unknown> {
  const record: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(recordOf(spec))) {
    const one = LISTS.has(key) && Array.isArray(value) && value.length === 1 ? value[0] : value
    record[key] = typeof one === 'string' && /^[1-9]\d{0,8}$/.test(one) && !LISTS.has(key) ? Number(one) : one
  }
  if (isStopped) record[STOPPED] = true
  return record
}

/** Only what is different: comments beside the rest stay. */
function rewrite(map: YAMLMap, record: Readonly<Record<string, unknown>>, document: Document): void {
  const now: unknown = map.toJS(document)
  const before = typeof now === 'object' && now !== null ? Object.entries(now) : []
  const listed = (key: string, value: unknown) => (LISTS.has(key) && !Array.isArray(value) ? [value] : value)
  for (const [key] of before) if (!Object.hasOwn(record, key)) map.delete(key)
  for (const [key, value] of Object.entries(record)) {
    const known = before.find(([name]) => name === key)?.[1]
    if (JSON.stringify(listed(key, known)) === JSON.stringify(listed(key, value))) continue
    if (String(known) !== String(value) || !map.has(key)) map.set(document.createNode(key), document.createNode(value))
  }
}
