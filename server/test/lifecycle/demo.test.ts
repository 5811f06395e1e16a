// `npm start`: ends in an address that answers through the tunnel, and a signal ends everything it began.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { scratch } from '../support/programs.ts'

test('the demonstration announces what answers, and ends with all its programs', async t => {
  const child = spawn(process.execPath, [fileURLToPath(new URL('../../../scripts/start.js', import.meta.url))], {
    env: { ...process.env, PBT_DEMO_HOME: scratch(t), PBT_DEMO_HTTPS_PORT: '0', PBT_DEMO_HTTP_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGTERM'))
  let text = ''
  while (!text.includes('Ctrl-C')) text += String((await once(child.stdout, 'data'))[0])
  assert.match(text, /https:\/\/demo\.localhost:\d+/)
  assert.match(text, /token +pbt_[A-Za-z0-9_-]{43}/)
  const port = Number(/http:\/\/demo\.localhost:(\d+)/.exec(text)?.[1])
  const visitor = connect({ port, host: '127.0.0.1' })
  visitor.write('GET / HTTP/1.1\r\nHost: demo.localhost\r\nConnection: close\r\n\r\n')
  let answer = ''
  for await (const chunk of visitor) answer += chunk
  assert.match(answer, /^HTTP\/1\.1 200 OK[\s\S]*It works/)
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [0, null])
  const again = connect({ port, host: '127.0.0.1' })
  await assert.rejects(once(again, 'connect'), { code: 'ECONNREFUSED' })
})
