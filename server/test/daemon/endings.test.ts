// The ways in which people end a program, each while a hundred visitors a second come and one has a download: nobody who came before
// fails, and the download is whole. systemd's way: leaving.test.ts.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import type { ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import { visits } from '../support/busy.ts'
import { Home, until } from '../support/daemon.ts'
import {
  CLIENT,
  clientEnv,
  type Program,
  program,
  type RunningServer,
  scratch,
  startServer,
} from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest, rawVisitor } from '../support/visitors.ts'

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n`

/** What starts the program, how it is ended, and whether it has ended. */
interface Way {
  readonly under: readonly string[]
  readonly end: (started: Program) => unknown
  readonly hasEnded: (started: Program) => Promise<boolean>
}

const exited = async (started: Program) => (await started.exited) !== undefined

function ways(t: TestContext): Record<string, Way> {
  const tmux = ['tmux', '-S', `${scratch(t)}/tmux`, '-f', '/dev/null']
  const inTmux = (...args: string[]) => spawnSync('tmux', [...tmux.slice(1), ...args]).status === 0
  t.after(() => inTmux('kill-server'))
  return {
    // It passes on what it is sent as it does when its time is up: to the program, and to the group with the program in it.
    'timeout -s TERM': {
      under: ['timeout', '-s', 'TERM', '3600'],
      end: ({ child }) => child.kill('SIGTERM'),
      hasEnded: exited,
    },
    'kill -TERM -- -PGID': {
      under: ['setsid', 'sh', '-c', '"$@"; exit $?', 'sh'],
      end: ({ pid }) => process.kill(-pid, 'SIGTERM'),
      hasEnded: exited,
    },
    'Ctrl-C in tmux': {
      under: [...tmux, 'new-session', '-d'],
      end: () => assert.ok(inTmux('send-keys', 'C-c')),
      hasEnded: async () => !inTmux('has-session'),
    },
  }
}

/** One that answers at once, and a download that ends when it is told to. */
async function target(t: TestContext) {
  let download: ServerResponse | undefined
  const port = await httpTarget(t, (request, response) => {
    if (request.url !== '/slow') response.end('quick')
    else {
      download = response
      response.write('begun')
    }
  })
  return { port, finish: () => download?.end('done') }
}

async function endsWell(t: TestContext, server: RunningServer, way: Way): Promise<void> {
  const env = clientEnv(t, server)
  new Home(t, env) // whatever happens it ends what runs
  const { port, finish } = await target(t)
  const args = ['http', String(port), '--domain', 'app']
  const started = program(t, CLIENT, args, env, undefined, undefined, undefined, way.under)
  await until(
    async () => (await rawRequest(t, server, get('/')).catch(() => '')).endsWith('quick'),
    () => started.stderr,
  )
  const download = await rawVisitor(t, server)
  download.send(get('/slow'))
  await download.until(/begun/)
  const visitors = visits(t, server, 'app')
  await visitors.count(20)
  const endedAt = performance.now()
  way.end(started)
  await until(
    async () => (await rawRequest(t, server, get('/'))).startsWith('HTTP/1.1 503'),
    () => 'an end of new visitors',
  )
  finish()
  await download.over()
  assert.match(download.text, /^HTTP\/1\.1 200 [\s\S]*begun[\s\S]*done\r\n0\r\n\r\n$/)
  await until(
    () => way.hasEnded(started),
    () => 'the end of the program',
  )
  const all = await visitors.ended()
  const closedAt = Math.min(...all.filter(({ status }) => status !== 200).map(visit => visit.endedAt))
  for (const { begunAt, endedAt: answeredAt, status, text } of all) {
    // Who began a moment before may have reached the server after it was told; nobody is told before that, and nobody is cut.
    if (status === 200) assert.ok(text.endsWith('quick') && begunAt < closedAt, text)
    else assert.ok(answeredAt > endedAt && /^HTTP\/1\.1 503 [\s\S]*^pbt-error: offline\r$/m.test(text), text)
  }
}

test('H44: under 100 requests a second, timeout, kill of a group and Ctrl-C in tmux lose no request and no download', {
  skip: spawnSync('tmux', ['-V']).status !== 0 && 'tmux is not installed',
}, async t => {
  const server = await startServer(t)
  for (const [name, way] of Object.entries(ways(t))) {
    await t.test(name, async t => await endsWell(t, server, way))
  }
})
