// Hints in the spelling of `pbt up`, whose specs have no dashes: `port=` for --reserve-port, `domain=` for --domain.

/** Options that a spec spells in another way than a command. */
const OTHERS: Readonly<Record<string, string>> = { 'reserve-port': 'port' }
/** An option of a command and what comes between it and its value, where one stands there. */
const OPTION =
  /--(reserve-port|domain|name|allow|host-header|target-protocol|proxy-protocol|idle-timeout|reply-factor|target-ca|target-name)\b(?: (?=["\d]|h2c\b|off\b|v[12]\b))?/g
/** Those without a value. */
const SWITCH = /--(verify-target|insecure-target)\b/g

/** A message or cure as one who wrote specs would write it. */
export function inSpecWords(text: string): string {
  return text
    .replace(OPTION, (_, name: string) => `${OTHERS[name] ?? name}=`)
    .replace(SWITCH, (_, name: string) => name)
}
