// Which names a tunnel may have: DNS labels below the base domain, or full names of the owner's own domains.
import { randomInt } from 'node:crypto'
import { domainToASCII } from 'node:url'
import { PbtError } from '@pbt/proto'

/** Names of the edge itself; a tunnel under one of them could pass for it. `localhost` is every machine's own. */
const RESERVED = new Set(['link', 'admin', 'www', 'api', 'acme', 'localhost'])

/** RFC 1035 section 2.3.1, with digits first allowed by RFC 1123 section 2.1. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const MAX_HOST_CHARS = 253

export interface Hostname {
  /** Lower-case ASCII, no trailing dot. */
  readonly host: string
  /** The label below the base domain; undefined for a custom domain. */
  readonly label: string | undefined
}

/** A `--domain` as given: a label or a full name. Throws PbtError `name-invalid` or `name-reserved`. */
export function parseHostname(text: string, baseDomain: string): Hostname {
  const ascii = toAscii(text)
  const suffix = `.${baseDomain}`
  if (!ascii.includes('.')) return labelled(ascii, baseDomain)
  if (ascii === baseDomain) throw reserved(text, 'the server itself has it')
  if (ascii.endsWith(suffix)) {
    const label = ascii.slice(0, -suffix.length)
    if (label.includes('.')) throw invalid(text, `only one label can stand before ${suffix}`)
    return labelled(label, baseDomain)
  }
  const labels = ascii.split('.')
  if (labels.every(label => /^\d+$/.test(label))) throw invalid(text, 'it is an address, not a name')
  for (const label of labels) if (!LABEL.test(label)) throw invalid(text, `"${label}" is no DNS label`)
  return { host: ascii, label: undefined }
}

function labelled(label: string, baseDomain: string): Hostname {
  if (RESERVED.has(label) || label.startsWith('_')) throw reserved(label, 'pbt keeps it for itself')
  if (!LABEL.test(label)) throw invalid(label, 'a name has 1 to 63 letters, digits and hyphens, no hyphen at its ends')
  return { host: `${label}.${baseDomain}`, label }
}

function toAscii(text: string): string {
  const trimmed = text.trim().replace(/\.$/, '')
  if (trimmed.startsWith('_')) return trimmed.toLowerCase()
  if (trimmed === '' || trimmed.length > MAX_HOST_CHARS) throw invalid(text.slice(0, 80), 'it is empty or too long')
  // domainToASCII takes the beginning of what is a URL's authority; a name has none of these.
  if (/[\s/?#@:%[\]\\]/.test(trimmed)) throw invalid(text, 'it has characters that no name has')
  const ascii = domainToASCII(trimmed)
  if (ascii === '') throw invalid(text, 'it is not a valid international name')
  return ascii
}

function invalid(text: string, why: string): PbtError {
  return new PbtError('name-invalid', `name "${printable(text)}" cannot be used: ${why}`, {
    cure: 'choose a name such as "myapp", or a full domain such as "app.mine.uk"',
  })
}

function reserved(text: string, why: string): PbtError {
  return new PbtError('name-reserved', `name "${printable(text)}" is reserved: ${why}`, { cure: 'choose another name' })
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?')
}

const ADJECTIVES =
  'amber bold brave bright brisk calm clever cosy crisp eager early fair fleet fresh gentle glad golden happy keen kind light lively lucky merry mild neat nimble noble olive quick quiet rapid ready silver sleek smart snug solid sunny sure swift tidy vivid warm wise witty young zesty'
const ANIMALS =
  'badger beaver bison crane dove eagle falcon ferret finch fox gecko hare hawk heron ibis jay koala lark lemur lynx marten mole moose newt otter owl panda pika plover puffin quail rabbit raven robin seal shrew sparrow stork swan swift tern toad vole walrus weasel wombat wren yak'
const adjectives = ADJECTIVES.split(' ')
const animals = ANIMALS.split(' ')

/** A readable name such as `brisk-otter-42`: some 200,000 of them. */
export function randomLabel(): string {
  const adjective = adjectives[randomInt(adjectives.length)] ?? ''
  const animal = animals[randomInt(animals.length)] ?? ''
  return `${adjective}-${animal}-${randomInt(10, 100)}`
}
