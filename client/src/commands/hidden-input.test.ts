import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { readHidden } from './hidden-input.ts'

/** A terminal that notes in which mode it was put. */
class Keyboard extends PassThrough {
  readonly modes: boolean[] = []
  setRawMode(isRaw: boolean): void {
    this.modes.push(isRaw)
  }
}

async function typed(...parts: string[]): Promise<{ text: string; modes: boolean[]; interrupts: number }> {
  const keyboard = new Keyboard()
  let interrupts = 0
  const read = readHidden(keyboard, 10, () => interrupts++)
  for (const part of parts) keyboard.write(part)
  const text = await read
  keyboard.destroy()
  return { text, modes: keyboard.modes, interrupts }
}

test('what is typed or pasted counts up to Enter, and the terminal is as before', async () => {
  const modes = [true, false]
  assert.deepEqual(await typed('ab', 'c\r'), { text: 'abc', modes, interrupts: 0 })
  assert.deepEqual(await typed('\x1b[200~secret\x1b[201~', '\n'), { text: 'secret', modes, interrupts: 0 })
  assert.deepEqual(await typed('x\x15abd\x7fc\x1b[D\r'), { text: 'abc', modes, interrupts: 0 })
  assert.deepEqual(await typed('0123456789abc\r'), { text: '0123456789', modes, interrupts: 0 })
})

test('Ctrl-C gives the terminal back, then interrupts', async () => {
  assert.deepEqual(await typed('abc\x03'), { text: '', modes: [true, false], interrupts: 1 })
})
