// Asks a person at a terminal for something that nobody should see there, nor find in a shell's history.

/** What is needed of `process.stdin`. */
export interface Keyboard {
  setRawMode(isRaw: boolean): unknown
  setEncoding(encoding: 'utf8'): unknown
  on(event: 'data', listener: (text: string) => void): unknown
  on(event: 'end', listener: () => void): unknown
  off(event: 'data', listener: (text: string) => void): unknown
  off(event: 'end', listener: () => void): unknown
  resume(): unknown
  pause(): unknown
}

const [CTRL_C, CTRL_D, CTRL_U] = ['\x03', '\x04', '\x15']
/** What terminals put around what is pasted, and keys that write nothing. */
const SEQUENCE = new RegExp(`${'\x1b'}(?:\\[[0-9;]*[A-Za-z~]|O[A-Z]|.)?`, 'g')

/**
 * Resolves with what was typed or pasted before Enter; nothing of it is shown. Takes `most` characters at most. '' after Ctrl-C, for which
 * `interrupt` is called when the terminal is as it was.
 */
export async function readHidden(keyboard: Keyboard, most: number, interrupt: () => void): Promise<string> {
  let text = ''
  const over = Promise.withResolvers<string>()
  const onText = (part: string) => {
    for (const key of part.replace(SEQUENCE, '')) {
      if (key === CTRL_C) return over.resolve(CTRL_C)
      if (key === '\r' || key === '\n' || key === CTRL_D) return over.resolve(text)
      if (key === CTRL_U) text = ''
      else if (key === '\x7f' || key === '\b') text = text.slice(0, -1)
      else if (text.length < most) text += key
    }
  }
  const onEnd = () => over.resolve(text)
  keyboard.setRawMode(true)
  keyboard.setEncoding('utf8')
  keyboard.on('data', onText)
  keyboard.on('end', onEnd)
  keyboard.resume()
  let typed: string
  try {
    typed = await over.promise
  } finally {
    keyboard.off('data', onText)
    keyboard.off('end', onEnd)
    keyboard.pause()
    keyboard.setRawMode(false)
  }
  if (typed !== CTRL_C) return typed
  interrupt()
  return ''
}
