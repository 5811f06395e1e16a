import { moment } from './time.ts'

/** With a capital and a full stop: messages of the server begin small and end without one. */
export function sentence(message: string): string {
  const text = withClock(message)
  // Names of domains and settings, and commands, stay as they are written.
  const isName = /^(?:\S*\w[._:]\w|pbt(?:-server)? )/.test(text)
  const capital = isName ? text : text.charAt(0).toUpperCase() + text.slice(1)
  return capital === '' || /[.!?…]$/.test(capital) ? capital : `${capital}.`
}

/** Times of the server as the browser's: it writes them in UTC, as programs read them. */
export function withClock(text: string): string {
  return text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, time => moment(Date.parse(time)))
}

/** "a", "a and b", "a, b and c", "a, b, c and 2 more": names beyond `most` are a number. */
export function listed(names: readonly string[], most = 3): string {
  const some = names.slice(0, most)
  const more = names.length - some.length
  if (more > 0) return `${some.join(', ')} and ${more} more`
  return some.length > 1 ? `${some.slice(0, -1).join(', ')} and ${some.at(-1)}` : some.join('')
}
