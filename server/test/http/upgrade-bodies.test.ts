// Requests with a body that are upgrades besides, as docker sends them: the body comes first, or the upgrade is ignored.
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { sharedPbt } from '../support/shared.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { rawVisitor } from '../support/visitors.ts'

const { pbt } = sharedPbt()

/** Only a failure waits for it. */
const WAIT_MS = 60_000
const HOST = 'Host: app.localhost\r\n'
const UPGRADE = 'Connection: Upgrade\r\nUpgrade: tcp\r\n'
const ACCEPTED = 'HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n'
const REFUSED = 'HTTP/1.1 409 Conflict\r\nContent-Length: 7\r\n\r\nstopped'

interface Seen {
  head: string
  /** Of the body. */
  bytes: number
  isOver: boolean
}

/** Reads a body by its length, answers, and after a 101 sends everything back in capitals. */
async function exec(t: TestContext, answer: string, seen: Seen[]): Promise<number> {
  return await rawTarget(t, socket => {
    const each: Seen = { head: '', bytes: 0, isOver: false }
    seen.push(each)
    for (const end of ['end', 'close']) {
      socket.on(end, () => {
        each.isOver = true
      })
    }
    let text = ''
    let isAnswered = false
    socket.on('data', chunk => {
      if (isAnswered) {
        socket.write(String(chunk).toUpperCase())
        return
      }
      text += chunk.toString('latin1')
      const [head = '', ...rest] = text.split('\r\n\r\n')
      if (rest.length === 0) return
      each.head = head
      const body = rest.join('\r\n\r\n')
      const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1])
      each.bytes = body.length
      if (body.length < length) return
      isAnswered = true
      socket.write(`${answer}${body.slice(length).toUpperCase()}`)
    })
  })
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + WAIT_MS
  while (!holds()) {
    assert.ok(performance.now() < deadline, `not within ${WAIT_MS} ms`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

test('D9: a POST with a body is upgraded behind it, and no byte of either is lost, however they are cut', async t => {
  const seen: Seen[] = []
  const { server } = await pbt(await exec(t, ACCEPTED, seen))
  const body = '{"Detach":false,"Tty":true}'
  const head = `POST /exec HTTP/1.1\r\n${HOST}${UPGRADE}Content-Length: ${body.length}\r\n\r\n`
  const cuts = [[head + body], [head, body], [`${head}${body.slice(0, 5)}`, body.slice(5)], [`${head}${body}early `]]
  for (const pieces of cuts) {
    const visitor = await rawVisitor(t, server)
    for (const piece of pieces) {
      visitor.send(piece)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    await visitor.until(/^HTTP\/1\.1 101 UPGRADED\r\n[\s\S]*upgrade: tcp\r\n\r\n/i)
    visitor.send('stream')
    await visitor.until(pieces.length === 1 && pieces[0]?.endsWith('early ') ? /EARLY STREAM$/ : /\r\n\r\nSTREAM$/)
    visitor.socket.destroy()
  }
  assert.equal(seen.length, cuts.length)
  for (const { head: came } of seen) assert.match(came, /^POST \/exec HTTP\/1\.1\r\n[\s\S]*upgrade: tcp/i)

  const large = 20_000_000
  const visitor = await rawVisitor(t, server)
  visitor.send(`POST /exec HTTP/1.1\r\n${HOST}${UPGRADE}Content-Length: ${large}\r\n\r\n`)
  visitor.send(Buffer.alloc(large, 'x'))
  await visitor.until(/^HTTP\/1\.1 101 /)
  assert.equal(seen.at(-1)?.bytes, large)
})

test('D9: a refusal of such an upgrade passes, and a body that breaks off is no whole one for the target', async t => {
  const seen: Seen[] = []
  const { server } = await pbt(await exec(t, REFUSED, seen))
  const head = `POST /exec HTTP/1.1\r\n${HOST}${UPGRADE}Content-Length: 4\r\n\r\n`
  const visitor = await rawVisitor(t, server)
  visitor.send(`${head}body`)
  assert.match(await visitor.until(/stopped$/), /^HTTP\/1\.1 409 Conflict\r\n/)
  for (const leave of [(socket: Socket) => socket.end(), (socket: Socket) => socket.resetAndDestroy()]) {
    const gone = await rawVisitor(t, server)
    const before = seen.length
    gone.send(`${head}bo`)
    await until(() => seen[before]?.bytes === 2)
    leave(gone.socket)
    await until(() => seen[before]?.isOver === true)
    assert.equal(seen[before]?.bytes, 2)
  }
})

const IGNORED = {
  'HTTP/1.0': `POST / HTTP/1.0\r\n${HOST}${UPGRADE}Content-Length: 4\r\n\r\nbody`,
  'HTTP/1.0 without a body': `GET / HTTP/1.0\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  chunks: `POST / HTTP/1.1\r\n${HOST}${UPGRADE}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n`,
  'an expectation': `POST / HTTP/1.1\r\n${HOST}${UPGRADE}Expect: 100-continue\r\nContent-Length: 4\r\n\r\nbody`,
  'a WebSocket by POST': `POST / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 4\r\n\r\nbody`,
  'a WebSocket with a body': `GET / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 4\r\n\r\nbody`,
  'a WebSocket by PUT': `PUT / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n`,
}

test('D9: in HTTP/1.0, behind chunks or an expectation, and for what is no WebSocket, Upgrade is ignored and the request forwarded whole', async t => {
  const target = await httpTarget(
    t,
    (request, response) => {
      const fields = request.rawHeaders.join(' ').toLowerCase()
      let body = ''
      request.on('data', chunk => {
        body += chunk
      })
      request.on('end', () => response.end(`${/upgrade/.test(fields) ? 'upgrade' : 'plain'} ${body}.`))
    },
    server => server.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n')),
  )
  const { server } = await pbt(target)
  for (const [name, request] of Object.entries(IGNORED)) {
    const visitor = await rawVisitor(t, server)
    visitor.send(request)
    const text = await visitor.until(/plain (body)?\.|upgrade|HTTP\/1\.1 [45]/)
    assert.match(text, /^(HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 200 OK\r\n/, name)
    assert.match(text, request.endsWith('\r\n\r\n') && !request.includes('chunked') ? /plain \./ : /plain body\./, name)
    visitor.socket.destroy()
  }
})
