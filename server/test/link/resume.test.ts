// A link that breaks under load: after it is back every transfer ends whole, and nothing was asked twice.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type RunningServer, startServer, startTunnel } from '../support/programs.ts'
import { Relay } from '../support/relay.ts'
import { hashOf, receive, send } from '../support/streams.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'
import { acceptUpgrade, FrameReader, frame, upgradeRequest } from '../support/websocket.ts'

const COUNT = 20
const BYTES = 8 * 1024 * 1024
/** A breath after each piece, so that the transfers last through the cuts. */
const PACE_MS = 15
const MESSAGES = 150

/** Downloads, uploads and WebSockets; counts how often each was asked for. */
async function busyTarget(t: TestContext) {
  const asked = new Map<string, number>()
  const uploads = new Map<string, string>()
  const note = (url: string) => asked.set(url, (asked.get(url) ?? 0) + 1)
  const port = await httpTarget(
    t,
    (incoming, response) => {
      const url = incoming.url ?? ''
      note(url)
      const [, kind, id] = url.split('/')
      if (kind === 'down') {
        response.writeHead(200, { 'content-length': BYTES })
        send(response, Number(id), BYTES, PACE_MS).catch(() => {})
      } else if (kind === 'up') {
        receive(incoming).then(
          ({ hash }) => {
            uploads.set(url, hash)
            response.end(hash)
          },
          () => {},
        )
      } else response.end('meanwhile')
    },
    server =>
      server.on('upgrade', (incoming, socket) => {
        note(incoming.url ?? '')
        acceptUpgrade(incoming, socket)
        const reader = new FrameReader()
        socket.on('data', (chunk: Buffer) => {
          for (const payload of reader.push(chunk)) socket.write(frame(payload, false))
        })
      }),
  )
  return { asked, uploads, port }
}

function ask(server: RunningServer, agent: Agent, method: string, path: string) {
  return request({ agent, host: '127.0.0.1', port: server.http, method, path, headers: { host: 'app.localhost' } })
}

async function download(server: RunningServer, agent: Agent, id: number): Promise<void> {
  const asking = ask(server, agent, 'GET', `/down/${id}`)
  asking.end()
  const [response] = await once(asking, 'response')
  assert.equal((await receive(response)).hash, hashOf(id, BYTES), `download ${id}`)
}

async function upload(server: RunningServer, agent: Agent, id: number): Promise<void> {
  const asking = ask(server, agent, 'POST', `/up/${id}`)
  const answered = once(asking, 'response')
  const [sent, [response]] = await Promise.all([send(asking, 100 + id, BYTES, PACE_MS), answered])
  let text = ''
  for await (const chunk of response) text += chunk
  assert.equal(text, sent, `upload ${id}`)
}

/** Sends numbered messages, one when the one before is back, and checks that each comes back once and in order. */
async function chat(server: RunningServer, id: number): Promise<void> {
  const socket: Socket = connect({ port: server.http, host: '127.0.0.1' })
  const reader = new FrameReader()
  socket.write(upgradeRequest(`/chat/${id}`))
  let head = ''
  let next = 0
  const message = () => Buffer.from(`${id}:${next}:${'x'.repeat(2000)}`)
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`WebSocket ${id} was cut at message ${next}`)))
    const heard = (chunk: Buffer) => {
      for (const payload of reader.push(chunk)) {
        if (!payload.equals(message())) reject(new Error(`WebSocket ${id} heard another message than ${next}`))
        if (++next === MESSAGES) resolve()
        else setTimeout(() => socket.write(frame(message(), true)), PACE_MS)
      }
    }
    socket.on('data', (chunk: Buffer) => {
      if (head.includes('\r\n\r\n')) {
        heard(chunk)
        return
      }
      head += chunk.toString('latin1')
      if (head.includes('\r\n\r\n')) socket.write(frame(message(), true))
    })
  })
  socket.removeAllListeners('close')
  socket.destroy()
}

test('20 downloads, 20 uploads and 20 WebSockets survive cuts and a black hole of 20 s', async t => {
  const { asked, port } = await busyTarget(t)
  const server = await startServer(t)
  const relay = new Relay()
  await relay.start(t, server.https)
  const client = await startTunnel(t, server, port, { domain: 'app', linkPort: relay.port })
  const agent = new Agent({ keepAlive: true, maxSockets: 200 })
  t.after(() => agent.destroy())

  const transfers = Array.from({ length: COUNT }, (_, id) => [
    download(server, agent, id),
    upload(server, agent, id),
    chat(server, id),
  ]).flat()
  const all = Promise.all(transfers)
  // Judged at the end; a failure before must not end the process.
  all.catch(() => {})

  const get = `GET /now HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n`
  const resumes = () => client.events.filter(({ event }) => event === 'resumed').length
  for (let cut = 0; cut < 2; cut++) {
    const before = resumes()
    relay.cut()
    const meanwhile = rawRequest(t, server, get)
    await client.until(() => (resumes() > before ? true : undefined), 'a resumed session')
    assert.match(await meanwhile, /200 OK[\s\S]*meanwhile/)
  }
  const before = resumes()
  relay.blackHole()
  const meanwhile = rawRequest(t, server, get)
  await new Promise(resolve => setTimeout(resolve, 20_000))
  relay.heal()
  await client.until(() => (resumes() > before ? true : undefined), 'a resumed session after the black hole')
  assert.match(await meanwhile, /200 OK[\s\S]*meanwhile/)
  await all
  for (const [url, times] of asked) if (url !== '/now') assert.equal(times, 1, `${url} was asked ${times} times`)
  assert.equal(asked.size, 3 * COUNT + 1)
  assert.equal(asked.get('/now'), 3)
})
