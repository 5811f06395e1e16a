/** With a capital and a full stop: messages of the server begin small and end without one. */
export function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1)
  return capital === '' || /[.!?…]$/.test(capital) ? capital : `${capital}.`
}
