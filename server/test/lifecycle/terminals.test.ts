// Terminals of every size and kind: what matters can be read in each.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { CLIENT, clientEnv, freshData, type RunningServer, SERVER, scratch, startServer } from '../support/programs.ts'
import { shared } from '../support/shared.ts'
import { httpTarget } from '../support/targets.ts'
import { hasTerminals, inTerminal, type Size } from '../support/terminal.ts'

const skip = hasTerminals ? false : 'script (util-linux) is not installed'
const NO_SIZE: Size = { columns: 0, rows: 0 }
const USUAL: Size = { columns: 80, rows: 24 }
const ESCAPE = '\x1b'
const ENTER = '\x1b[?1049h'
const LEAVE = '\x1b[?1049l'

const house = shared(startServer)

for (const [what, kind, size] of [
  ['TERM=dumb', 'dumb', USUAL],
  ['TERM=unknown', 'unknown', USUAL],
  ['TERM that is not set', undefined, USUAL],
  ['TERM that is set to nothing', '', USUAL],
  ['a terminal of 0 by 0, as docker run -t has it', 'xterm', NO_SIZE],
  ['a terminal of 0 columns', 'xterm', { columns: 0, rows: 24 }],
  ['a terminal of 0 rows', 'xterm', { columns: 80, rows: 0 }],
  ['a dumb terminal of 0 by 0', 'dumb', NO_SIZE],
] as const) {
  test(`H42: with ${what} pbt writes lines, the address among them, and nothing that steers a terminal`, {
    skip,
  }, async t => {
    const server = await house()
    const target = await httpTarget(t, (_request, response) => response.end('here'))
    const env = clientEnv(t, server)
    const terminal = await inTerminal(t, CLIENT, ['http', String(target), '--domain', 'app'], { size, kind, env })
    await terminal.until(/online: https:\/\/app\.localhost:\d+ -> 127\.0\.0\.1:\d+\r\n/)
    const watching = await inTerminal(t, CLIENT, ['status', '--watch'], { size, kind, env })
    // Twice, as one that watches shows it.
    await watching.until(/https:\/\/app\.localhost:\d+[\s\S]*https:\/\/app\.localhost:\d+/)
    const once = await inTerminal(t, CLIENT, ['status'], { size, kind, env })
    await once.until(/https:\/\/app\.localhost:\d+/)
    process.kill(terminal.pid, 'SIGTERM')
    await terminal.ended
    for (const { text } of [terminal, watching, once]) assert.ok(!text().includes(ESCAPE), JSON.stringify(text()))
  })
}

test('H42: the help reads the same in a terminal without a size, and is not wider than a narrow one', {
  skip,
}, async t => {
  for (const [columns, most] of [
    [0, 100],
    [60, 60],
    [8, 40],
  ] as const) {
    const size = { columns, rows: 24 }
    const terminal = await inTerminal(t, CLIENT, ['--help'], { size, kind: 'xterm' })
    await terminal.until(/Exit codes/)
    await terminal.ended
    const lines = terminal.text().split('\r\n').slice(1)
    const options = lines.filter(line => /^ {2}-h, --help|^ {2}pbt (http|init)/.test(line))
    assert.ok(options.length > 0 && options.every(line => line.length <= most), `${columns}: ${options.join('\n')}`)
    assert.ok(lines.some(line => /pbt http/.test(line)))
  }
})

test('H42: a terminal that can show it has the view, and its screen back at the end', { skip }, async t => {
  const server = await house()
  const env = clientEnv(t, server)
  const terminal = await inTerminal(t, CLIENT, ['http', '1', '--domain', 'app'], { size: USUAL, kind: 'xterm', env })
  await terminal.until(/https:\/\/app\.localhost:\d+/)
  assert.ok(terminal.text().includes(ENTER))
  process.kill(terminal.pid, 'SIGTERM')
  await terminal.ended
  assert.ok(terminal.text().includes(LEAVE))
})

test('init for a second server asks in a terminal before it replaces the first', { skip }, async t => {
  const [first, second] = [await house(), await startServer(t)]
  const home = join(scratch(t), 'home')
  const argsOf = ({ https, ca, token }: RunningServer) => ['init', token, '--server', `localhost:${https}`, '--ca', ca]
  const init = (server: RunningServer) =>
    inTerminal(t, CLIENT, argsOf(server), { size: USUAL, kind: 'xterm', env: { PBT_HOME: home } })
  await (await init(first)).until(/took the token; it is stored/)
  const asked = new RegExp(`localhost:${first.https} is stored, and its token would be replaced\\s+Go on\\? \\[y/N\\] `)
  const no = await init(second)
  await no.until(asked)
  no.type('\n')
  await no.until(/stays stored/)
  const yes = await init(second)
  await yes.until(asked)
  yes.type('y\n')
  await yes.until(new RegExp(`stored, in place of localhost:${first.https}`))
})

test('H42: pbt-server writes no sequences, whatever the terminal', { skip }, async t => {
  const { dataDir } = await freshData(t)
  const ports = ['--https-port', '0', '--http-port', '0']
  for (const [kind, size] of [
    ['dumb', USUAL],
    ['xterm', NO_SIZE],
    ['xterm', USUAL],
  ] as const) {
    const terminal = await inTerminal(t, SERVER, ['start', '--data-dir', dataDir, ...ports], { size, kind })
    await terminal.until(/pbt-server is ready: tunnels appear as https:/)
    process.kill(terminal.pid, 'SIGTERM')
    await terminal.ended
    assert.ok(!terminal.text().includes(ESCAPE), JSON.stringify(terminal.text()))
  }
})
