/** With a capital and a full stop: messages of the server begin small and end without one. */
export function sentence(text: string): string {
  // Names of domains and settings stay as they are written.
  const isName = /^\S*\w[._:]\w/.test(text)
  const capital = isName ? text : text.charAt(0).toUpperCase() + text.slice(1)
  return capital === '' || /[.!?…]$/.test(capital) ? capital : `${capital}.`
}
