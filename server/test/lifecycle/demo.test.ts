// `npm start`: ends in an address that answers through the tunnel, and a signal ends everything it began.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { lastingPort } from '../support/ports.ts'
import { scratch } from '../support/programs.ts'

const START = fileURLToPath(new URL('../../../scripts/start.js', import.meta.url))
/** The panel may have to be built, beside other tests. */
const SAYING_MS = 120_000

async function demoPorts() {
  return { PBT_DEMO_HTTPS_PORT: String(await lastingPort()), PBT_DEMO_HTTP_PORT: String(await lastingPort()) }
}

test('the demonstration announces what answers, then a login link of the panel, and ends with all its programs', async t => {
  const child = spawn(process.execPath, [START], {
    env: { ...process.env, PBT_DEMO_HOME: scratch(t), ...(await demoPorts()) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGTERM'))
  let said = ''
  // All along: what comes while nobody listens is lost.
  child.stdout.on('data', chunk => {
    said += chunk
  })
  const saying = async (what: string) => {
    while (!said.includes(what)) await once(child.stdout, 'data', { signal: AbortSignal.timeout(SAYING_MS) })
  }
  await saying('Ctrl-C')
  assert.match(said, /https:\/\/demo\.localhost:\d+/)
  assert.match(said, /token +pbt_[A-Za-z0-9_-]{43}/)
  const port = Number(/http:\/\/demo\.localhost:(\d+)/.exec(said)?.[1])
  const visitor = connect({ port, host: '127.0.0.1' })
  visitor.write('GET / HTTP/1.1\r\nHost: demo.localhost\r\nConnection: close\r\n\r\n')
  let answer = ''
  for await (const chunk of visitor) answer += chunk
  assert.match(answer, /^HTTP\/1\.1 200 OK[\s\S]*It works/)
  // The panel may have to be built first.
  await saying('make the authority known')
  assert.match(said, /https:\/\/admin\.localhost:\d+\/login#[\w-]{43}\n/)
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [0, null])
  const again = connect({ port, host: '127.0.0.1' })
  await assert.rejects(once(again, 'connect'), { code: 'ECONNREFUSED' })
})

test('H47: a demonstration whose port is taken says how to run it with another one', async t => {
  const other = createServer().listen(0, '127.0.0.1')
  t.after(() => other.close())
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  for (const setting of ['https-port', 'http-port']) {
    const ports = await demoPorts()
    const variable = `PBT_DEMO_${setting.replace('-', '_').toUpperCase()}`
    const child = spawn(process.execPath, [START], {
      env: { ...process.env, PBT_DEMO_HOME: scratch(t), ...ports, [variable]: String(port) },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    t.after(() => child.kill('SIGTERM'))
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
    assert.equal(code, 1)
    assert.match(said, new RegExp(`to do: .*"npm start -- --${setting} PORT"`))
  }
})
