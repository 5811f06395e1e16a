// A thousand channels that stand still, one way or the other: the client, which nobody watches, holds a bounded part of them.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { END_HEADERS, END_STREAM, frame, GET_APP, HEADERS, PREFACE, SETTINGS } from '../support/http2-frames.ts'
import { memoryMib } from '../support/memory.ts'
import { type Program, type RunningServer, scratch, startClient, startPbt, startServer } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, rawTlsVisitor, rawVisitor } from '../support/visitors.ts'

const [CONNECTIONS, STREAMS] = [10, 100] as const
/** What their credit alone comes to, at either end, when nothing bounds all of them together. */
const MOST_MIB = 250
const PIECE = Buffer.alloc(64 * 1024, 'x')
/** More than a visitor's and a target's kernel, the server and the client hold of one that stands still. */
const UPLOAD_PIECES = 16
/** Settings that let the server send nothing on any stream: SETTINGS_INITIAL_WINDOW_SIZE of 0. */
const NO_WINDOW = Buffer.from([0, 4, 0, 0, 0, 0])

/** Waits until the program grows no more. */
async function still(program: Program): Promise<void> {
  for (let last = 0; memoryMib(program) > last + 1; ) {
    last = memoryMib(program)
    await new Promise(resolve => setTimeout(resolve, 1_000))
  }
}

/** By how much a program has grown, when garbage has gone with the collections that `traffic` brings about. */
async function grownMib(program: Program, before: number, traffic: () => Promise<unknown>): Promise<number> {
  let grown = memoryMib(program) - before
  for (let round = 0; round < 10 && grown >= MOST_MIB; round++) {
    await traffic()
    grown = memoryMib(program) - before
  }
  return grown
}

async function small(t: TestContext, server: RunningServer): Promise<() => Promise<void>> {
  const friend = await http2Visitor(t, server)
  return async () => {
    for (let count = 0; count < 100; count++) {
      assert.equal(String((await http2Request(friend, { ':path': '/small' })).body), 'small')
    }
  }
}

/** A service that says little at `/small` and does not stop at `/`. */
function pouringTarget(t: TestContext): Promise<number> {
  return httpTarget(t, (request, response) => {
    if (request.url === '/small') response.end('small')
    else {
      const pour = () => {
        while (response.writable && response.write(PIECE));
      }
      response.on('drain', pour)
      pour()
    }
  })
}

test('E4: a thousand answers that are not read cost the client a bounded part of what they are', async t => {
  const { server, client } = await startPbt(t, await pouringTarget(t))
  const traffic = await small(t, server)
  await traffic()
  const before = memoryMib(client)
  const asks = Array.from({ length: STREAMS }, (_, turn) =>
    frame(HEADERS, END_HEADERS | END_STREAM, 2 * turn + 1, GET_APP),
  )
  for (let count = 0; count < CONNECTIONS; count++) {
    const visitor = await rawTlsVisitor(t, server, undefined, { protocol: 'h2' })
    visitor.send(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, NO_WINDOW), ...asks]))
  }
  await still(client)
  const grown = await grownMib(client, before, traffic)
  t.diagnostic(`the client grew by ${grown.toFixed(0)} MiB`)
  assert.ok(grown < MOST_MIB, `grew by ${grown.toFixed(0)} MiB`)
})

test('E4: a thousand uploads that the target does not read cost the client a bounded part of what they are', async t => {
  // A unix socket's buffers are small: what the target does not read stays in the client.
  const path = join(scratch(t), 'target')
  const sockets = new Set<Socket>()
  const silent = createServer({ pauseOnConnect: true }, socket => sockets.add(socket.on('error', () => {})))
  silent.listen({ path, backlog: 1_000 })
  await once(silent, 'listening')
  t.after(() => {
    silent.close()
    for (const socket of sockets) socket.destroy()
  })
  const server = await startServer(t)
  const { client } = await startClient(t, server, [
    'up',
    `http:${await pouringTarget(t)},domain=app`,
    `tcp:unix:${path}`,
  ])
  const online = () => client.events.find(({ event, kind }) => event === 'online' && kind === 'tcp')
  const { urls } = await client.until(online, 'the TCP tunnel')
  const place = { ...server, http: Number(new URL(String((urls as unknown[])[0])).port) }
  const traffic = await small(t, server)
  await traffic()
  const before = memoryMib(client)
  for (let count = 0; count < CONNECTIONS * STREAMS; count++) {
    const { socket } = await rawVisitor(t, place)
    for (let piece = 0; piece < UPLOAD_PIECES; piece++) socket.write(PIECE)
  }
  while (sockets.size < CONNECTIONS * STREAMS) await once(silent, 'connection')
  await still(client)
  const grown = await grownMib(client, before, traffic)
  t.diagnostic(`the client grew by ${grown.toFixed(0)} MiB`)
  assert.ok(grown < MOST_MIB, `grew by ${grown.toFixed(0)} MiB`)
})
