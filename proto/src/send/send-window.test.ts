// Send credit and what a session's channels share of it, against a naive count and against the receiving end's window.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReceiveWindow } from '../channel/window.ts'
import { INITIAL_CREDIT_BYTES, LEAST_WINDOW_BYTES, MAX_CREDIT_BYTES, SESSION_UNREAD_BYTES } from '../limits.ts'
import { SendWindow } from './send-window.ts'

/** The same numbers at each run. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * below)
  }
}

test('the pool is the sum of what each channel has beyond its grants, whatever happens in which order', () => {
  const random = numbers(1)
  const pool = { unreadBytes: 0 }
  const channels = Array.from({ length: 50 }, () => ({ window: new SendWindow(pool), beyond: 0, isOver: false }))
  for (let step = 0; step < 20_000; step++) {
    const channel = channels[random(channels.length)]
    if (channel === undefined || channel.isOver) continue
    const bytes = random(100_000)
    if (random(2) === 0) {
      channel.window.spent(bytes)
      channel.beyond += bytes
    } else {
      channel.window.granted(bytes)
      channel.beyond -= bytes
    }
    if (random(500) === 0) {
      channel.window.release()
      channel.isOver = true
      channel.beyond = 0
    }
    assert.equal(
      pool.unreadBytes,
      channels.reduce((sum, { beyond }) => sum + Math.max(0, beyond), 0),
    )
  }
  for (const { window, isOver } of channels) if (!isOver) window.release()
  assert.equal(pool.unreadBytes, 0)
})

test('a channel has its whole credit until the session has too much unread, and the least window from then on', () => {
  const pool = { unreadBytes: 0 }
  const stuck = Array.from({ length: SESSION_UNREAD_BYTES / INITIAL_CREDIT_BYTES }, () => new SendWindow(pool))
  const other = new SendWindow(pool)
  for (const window of stuck) {
    assert.equal(other.spendable, INITIAL_CREDIT_BYTES)
    window.spent(INITIAL_CREDIT_BYTES)
  }
  assert.equal(other.spendable, LEAST_WINDOW_BYTES)
  assert.equal(new SendWindow(pool).spendable, LEAST_WINDOW_BYTES)
  assert.ok((stuck[0]?.spendable ?? 0) < 0)
  // What the window has grown by stays.
  other.granted(MAX_CREDIT_BYTES - INITIAL_CREDIT_BYTES)
  assert.equal(other.spendable, MAX_CREDIT_BYTES - INITIAL_CREDIT_BYTES + LEAST_WINDOW_BYTES)
  stuck[0]?.release()
  assert.equal(other.spendable, MAX_CREDIT_BYTES)
})

test('more credit than any window can have is refused', () => {
  const window = new SendWindow({ unreadBytes: 0 })
  assert.equal(window.granted(2 * MAX_CREDIT_BYTES - INITIAL_CREDIT_BYTES), true)
  assert.equal(window.granted(1), false)
})

test('a channel that is read goes on at whatever size its window has, however much of the session is unread', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = numbers(seed)
    const pool = { unreadBytes: 0 }
    const sender = new SendWindow(pool)
    const receiver = new ReceiveWindow({ grownBytes: 0 }, 0)
    let [now, unread, sent] = [0, 0, 0]
    const exchange = (bytes: number) => {
      sender.spent(bytes)
      assert.ok(receiver.received(bytes), 'the sender went beyond its credit')
      sent += bytes
      unread += bytes
    }
    const read = (bytes: number) => {
      unread -= bytes
      const grant = receiver.consumed(bytes, now, 50)
      if (grant > 0) sender.granted(grant)
    }
    // The window grows to any size, and stops at any place between two grants.
    for (let turn = random(2_000); turn > 0; turn--) {
      now += random(5)
      exchange(Math.min(random(65_536), sender.spendable))
      read(random(unread + 1))
    }
    pool.unreadBytes += SESSION_UNREAD_BYTES
    for (let turn = 0; turn < 50; turn++) {
      now += 1_000
      const before = sent
      for (let piece = sender.spendable; piece > 0; piece = sender.spendable)
        exchange(Math.min(random(65_536) + 1, piece))
      read(unread)
      assert.ok(turn === 0 || sent > before, `seed ${seed} stands after ${sent} bytes`)
    }
  }
})
