// What the filter of the log can be asked for, in words, while one types. No React.
import { readable } from '../words/idn.ts'
import { ENDINGS } from './filter.ts'

/** A token, and what it means. */
export interface Hint {
  readonly token: string
  readonly word: string
}

/** More would not be read. */
const MOST = 6
const STATUS = /^[1-5](?:\d\d|xx)$/
const ADDRESS = /^(?=.*[.:])[\da-f.:/]+$/i

/** Those that fit what was typed, the likeliest first; none that stands in the field already. */
export function hintsFor(draft: string, tokens: readonly string[], tunnels: readonly string[]): readonly Hint[] {
  const typed = draft.trim()
  const small = typed.toLowerCase()
  const usual: Hint[] = [
    { token: ENDINGS.refused, word: 'Turned away' },
    { token: ENDINGS.failed, word: 'Failed' },
    ...tunnels.map(name => ({ token: `tunnel:${name}`, word: `Tunnel ${readable(name)}` })),
  ]
  const fitting = usual.filter(({ token, word }) => `${word} ${token}`.toLowerCase().includes(small))
  const own: Hint[] = [
    ...(STATUS.test(small) ? [{ token: `answer:${small}`, word: `Answered with ${small}` }] : []),
    ...(ADDRESS.test(typed) ? [{ token: `from:${typed}`, word: `Visitor ${typed}` }] : []),
  ]
  const asWord =
    typed === '' ? [] : [{ token: typed, word: typed.includes(':') ? typed : `“${typed}” in what was asked` }]
  const most = MOST - asWord.length
  return [...own, ...fitting.filter(({ token }) => !tokens.includes(token))].slice(0, most).concat(asWord)
}
