// Text made fit for a terminal: nothing that a stranger wrote can steer it, and nothing is wider than it seems.
import { MAX_KEPT } from '../tunnels/requests.ts'

// Control characters, marks that turn the direction of text, invisible ones, line separators, halves of surrogates.
const UNSAFE =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu
const BEYOND_ASCII = /[^\x20-\x7e]/g
const WIDE =
  /\p{Emoji_Presentation}|\p{Script=Han}|\p{Script=Hangul}|\p{Script=Hiragana}|\p{Script=Katakana}|[\u3000-\u303f\uff01-\uff60]/u
const WITHOUT_WIDTH = /\p{Mn}|\p{Me}|\p{Cf}/u

/** What is shown of a text that somebody else wrote, in characters: as much as is kept. Each octet may need four to be shown. */
export const MAX_SHOWN = MAX_KEPT

/** Words of the owner or the server, with whatever could steer a terminal shown as an escape. */
export function safe(text: string): string {
  return text.replace(UNSAFE, escaped)
}

/** Octets of a visitor (latin1), such as a path: all but printable ASCII shown as escapes, and no more than MAX_SHOWN characters. */
export function safeOctets(text: string): string {
  return shortened(text.slice(0, MAX_SHOWN + 1).replace(BEYOND_ASCII, escaped))
}

/** Why something went wrong, as the target or a visitor may have worded it: as `safe`, and no more than MAX_SHOWN characters. */
export function safeReason(text: string): string {
  return shortened(safe(text.slice(0, MAX_SHOWN + 1)))
}

function shortened(text: string): string {
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN - 1)}…`
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0
  const hex = code.toString(16)
  return code < 0x100 ? `\\x${hex.padStart(2, '0')}` : `\\u{${hex}}`
}

/** Cut to `columns` cells, the last of them an ellipsis when something is missing. For safe text. */
export function clip(text: string, columns: number): string {
  if (columns <= 0) return ''
  // All characters are at least as long as wide when the text is ASCII, which it nearly always is.
  if (text.length <= columns && !BEYOND_ASCII_ONCE.test(text)) return text
  let cells = 0
  let fitting = ''
  for (const character of text) {
    const width = widthOf(character)
    if (cells + width > columns - 1) {
      return cellsOf(text) <= columns ? text : `${fitting}…`
    }
    cells += width
    fitting += character
  }
  return text
}

const BEYOND_ASCII_ONCE = /[^\x20-\x7e]/

/** Terminal cells that safe text takes. */
export function cellsOf(text: string): number {
  let cells = 0
  for (const character of text) cells += widthOf(character)
  return cells
}

function widthOf(character: string): number {
  if (character <= '\x7e') return 1
  if (WITHOUT_WIDTH.test(character)) return 0
  return WIDE.test(character) ? 2 : 1
}

/** The address of `203.0.113.7:50123` or `[2001:db8::1]:50123`. */
export function addressOf(visitor: string): string {
  const end = visitor.lastIndexOf(':')
  return visitor.startsWith('[') ? visitor.slice(1, end - 1) : visitor.slice(0, end < 0 ? undefined : end)
}

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB']

/** `532 B`, `1.2 kB`, `34 MB`: at most three digits, powers of 1000. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${formatNumber(value, unit > 0)} ${BYTE_UNITS[unit]}`
}

/** `0.4 ms`, `12 ms`, `3.4 s`, `2 m 05 s`, `3 h 07 m`, `12 d 04 h`. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${formatNumber(ms, true)} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  const two = (value: number) => String(value).padStart(2, '0')
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} m ${two(seconds % 60)} s`
  const hours = Math.floor(minutes / 60)
  return hours < 24 ? `${hours} h ${two(minutes % 60)} m` : `${Math.floor(hours / 24)} d ${two(hours % 24)} h`
}

/** Time of day where the owner is, `19:40:12`. */
export function formatTime(epochMs: number): string {
  const date = new Date(epochMs)
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(part => String(part).padStart(2, '0')).join(':')
}

function formatNumber(value: number, hasFraction: boolean): string {
  return hasFraction && value < 9.95 && value > 0 ? value.toFixed(1) : String(Math.round(value))
}
