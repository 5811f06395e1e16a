// What to do, as the programs say it, in the words of the demonstration: their flags are not its own.

const WORDS: readonly (readonly [flag: RegExp, word: string])[] = [
  [/with --(https?-port)\b/g, 'with "npm start -- --$1 PORT"'],
  [/--data-dir\b/g, 'PBT_DEMO_HOME'],
]

/** The cure of an error of one of its programs, in terms of `npm start`. */
export function inDemoWords(cure: string): string {
  let text = cure
  for (const [flag, word] of WORDS) text = text.replace(flag, word)
  return text
}
