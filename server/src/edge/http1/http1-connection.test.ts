// How long a visitor's connection is waited for, and how it ends: real sockets, the clock by hand.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { KIB } from '@pbt/proto'
import { REQUEST, visited } from '../testing/http1-visited.ts'

test('a head that does not come in time is answered with 408 and the end', async t => {
  const { state, ended, pass, arrived } = await visited(t)
  await arrived('GET / HTTP/1.1\r\nHost:')
  pass(10)
  assert.equal(state.text, '')
  pass(1)
  await ended
  assert.match(state.text, /^HTTP\/1\.1 408 [\s\S]*connection: close\r\n/)
})

test('E1: a head has ten seconds from its first byte on, whatever comes of it and wherever it is cut', async t => {
  const { visitor, state, ended, pass, arrived, answered } = await visited(t)
  visitor.write(REQUEST)
  await answered(1)
  pass(50)
  for (const piece of ['GET', ' / HT', 'TP/1.1\r', '\nHost', ': app.local', 'host\r\n\r']) {
    await arrived(piece)
    pass(2)
  }
  await ended
  assert.match(state.text, /HTTP\/1\.1 408 /)
})

test('E1: empty lines keep no connection open, neither before the first request nor between two', async t => {
  for (const line of ['\r\n', '\r', '\r\n\r\n\r\n']) {
    const fresh = await visited(t)
    for (let second = 0; second < 12 && !fresh.visitor.readableEnded; second += 4) {
      await fresh.arrived(line === '\r' && second % 8 === 4 ? '\n' : line)
      fresh.pass(4)
    }
    await fresh.ended
    assert.equal(fresh.state.text, '')
    const idle = await visited(t)
    idle.visitor.write(REQUEST)
    await idle.answered(1)
    for (let second = 0; second < 64; second += 4) {
      await idle.arrived(line === '\r' && second % 8 === 4 ? '\n' : line)
      idle.pass(4)
    }
    assert.ok(!idle.visitor.readableEnded)
    idle.pass(2)
    await idle.ended
  }
})

test('a request behind an empty line is served, also when that came alone', async t => {
  const { visitor, arrived, answered } = await visited(t)
  await arrived('\r')
  await arrived('\n')
  visitor.write(REQUEST)
  await answered(1)
})

test('E4: answers that a visitor does not take hold back those to what it asks behind them', async t => {
  const { visitor, socket, state, answered } = await visited(t)
  visitor.write(REQUEST)
  await answered(1)
  socket.cork()
  visitor.pause()
  const write = t.mock.method(socket, 'write')
  // A write that fills the socket, as an answer does that nobody reads.
  socket.write(Buffer.alloc(1024 * KIB))
  visitor.write(REQUEST.repeat(50))
  await once(socket, 'data')
  assert.equal(write.mock.callCount(), 1)
  socket.uncork()
  visitor.resume()
  await answered(51)
  assert.equal(state.text.match(/HTTP\/1\.1 404/g)?.length, 51)
})

test('a connection without a byte is closed without a word', async t => {
  const { state, ended, pass } = await visited(t)
  pass(11)
  await ended
  assert.equal(state.text, '')
})

test('an idle connection is kept 65 s after an answer, and each answer begins that anew', async t => {
  const { visitor, ended, pass, answered } = await visited(t)
  visitor.write(REQUEST)
  await answered(1)
  pass(60)
  visitor.write(REQUEST)
  await answered(2)
  pass(65)
  assert.ok(!visitor.readableEnded)
  pass(1)
  await ended
})

test('a draining server answers what is on its way, says that it was the last, and ends', async t => {
  const { visitor, state, ended, answered } = await visited(t)
  visitor.write(REQUEST)
  await answered(1)
  state.isDraining = true
  visitor.write(REQUEST)
  await ended
  assert.equal(state.text.match(/HTTP\/1\.1 404 /g)?.length, 2)
  assert.equal(state.text.match(/connection: close/g)?.length, 1)
})

test('a draining server lets idle connections go after two seconds', async t => {
  const { visitor, state, ended, pass, answered } = await visited(t)
  visitor.write(REQUEST)
  await answered(1)
  state.isDraining = true
  pass(2)
  assert.ok(!visitor.readableEnded)
  pass(1)
  await ended
})

test('a visitor who keeps its side open after the last answer is cut in the end', async t => {
  const { visitor, socket, state, pass } = await visited(t)
  visitor.allowHalfOpen = true
  visitor.write(REQUEST.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
  await once(visitor, 'end')
  const closed = once(socket, 'close')
  pass(12)
  await closed
  assert.equal(state.text.match(/HTTP\/1\.1/g)?.length, 1)
})

test('a hundred pipelined requests are answered in order without a stack as deep', async t => {
  const { visitor, answered, state } = await visited(t)
  visitor.write(REQUEST.repeat(100))
  await answered(100)
  assert.equal(state.text.match(/HTTP\/1\.1 404/g)?.length, 100)
})
