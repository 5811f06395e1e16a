// Tokens are exchanged under five clients: with grace nobody loses a connection, without everybody is told what to do.
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { durationFromMs } from '@bufbuild/protobuf/wkt'
import { type Token, Token_State as TokenState } from '@pbt/proto/admin/v1'
import { ownerOf, PROMISED_MS } from '../support/owner.ts'
import {
  CLIENT,
  clientEnv,
  type Program,
  program,
  type RunningServer,
  SERVER,
  scratch,
  startServer,
} from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest, rawVisitor } from '../support/visitors.ts'

interface Machine {
  readonly client: Program
  readonly home: string
}

/** A machine with a token that is stored, or that is in its environment alone; its tunnel is online. */
async function machine(
  t: TestContext,
  server: RunningServer,
  target: number,
  name: string,
  isStored: boolean,
): Promise<Machine> {
  const home = join(scratch(t), 'client')
  if (isStored) {
    const where = ['--server', `localhost:${server.https}`, '--ca', server.ca]
    const init = program(t, CLIENT, ['init', '-', ...where], { PBT_HOME: home }, `${server.token}\n`)
    assert.equal((await init.exited).code, 0, init.stderr)
  }
  const env = isStored ? { PBT_HOME: home } : clientEnv(t, server, { home })
  const client = program(t, CLIENT, ['http', String(target), '--domain', name, '--json'], env)
  await client.event('online')
  return { client, home }
}

/** Waits until the tokens are as wanted: each acknowledgement is on its way for a moment. */
async function tokensWhen(server: RunningServer, holds: (tokens: Token[]) => boolean): Promise<Token[]> {
  const deadline = performance.now() + 30_000
  for (;;) {
    const { tokens } = await ownerOf(server).tokens.listTokens({})
    if (holds(tokens) || performance.now() > deadline) return tokens
  }
}

const storedTokenIn = ({ home }: Machine) => JSON.parse(readFileSync(join(home, 'config.json'), 'utf8')).token

test('A4: with grace five clients take the new token without a dropped connection; without, they end with 3 and what to run', async t => {
  const target = await httpTarget(t, (request, response) => {
    response.write('begun;')
    if (request.url === '/') response.end('here')
    request.on('data', chunk => response.write(chunk))
  })
  const server = await startServer(t)
  const names = ['a', 'b', 'c', 'd', 'e']
  const machines = await Promise.all(names.map((name, index) => machine(t, server, target, name, index < 2)))
  const uploads = await Promise.all(
    names.map(async name => {
      const visitor = await rawVisitor(t, server)
      visitor.send(`POST /up HTTP/1.1\r\nHost: ${name}.localhost\r\nTransfer-Encoding: chunked\r\n\r\n`)
      await visitor.until(/begun/)
      return visitor
    }),
  )
  const seen = machines.map(({ client }) => client.events.length)
  const owner = ownerOf(server)
  const { secret, token, toldClients } = await owner.tokens.rotateToken({ label: 'two', grace: durationFromMs(60_000) })
  assert.deepEqual([toldClients.length, token?.state], [5, TokenState.VALID])
  const [newest, before] = await tokensWhen(server, ([newest]) => newest?.clients.length === 5)
  assert.deepEqual([newest?.clients.length, before?.clients.length, before?.state], [5, 0, TokenState.ENDING])
  for (const stored of machines.slice(0, 2)) {
    assert.equal(storedTokenIn(stored), secret)
    assert.equal(statSync(join(stored.home, 'config.json')).mode & 0o777, 0o600)
  }
  // The old one ends, and nobody notices.
  await owner.tokens.revokeToken({ id: before?.id ?? 0n })
  for (const [index, visitor] of uploads.entries()) {
    visitor.send('2\r\nok\r\n')
    await visitor.until(/ok/)
    assert.equal(machines[index]?.client.events.length, seen[index], `client ${index} goes on`)
  }
  // Those that could not store it say so, and do not come back after a restart.
  for (const { client } of machines.slice(2)) assert.match(client.stderr, /replace the one in PBT_TOKEN/)
  const late = program(t, CLIENT, ['http', String(target), '--json'], clientEnv(t, server))
  assert.equal((await late.exited).code, 3)

  const started = performance.now()
  await owner.tokens.rotateToken({})
  for (const { client } of machines) {
    assert.equal((await client.exited).code, 3)
    const error = client.events.at(-1)
    assert.deepEqual([error?.code, error?.cure], ['token-revoked', 'run "pbt init -" with the new token'])
  }
  assert.ok(performance.now() - started < PROMISED_MS)
  assert.match(
    await rawRequest(t, server, 'GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: close\r\n\r\n'),
    /offline/,
  )
  const [last, ...others] = (await owner.tokens.listTokens({})).tokens
  assert.equal(last?.state, TokenState.VALID)
  assert.ok(others.every(({ state }) => state === TokenState.ENDED))
})

test('who comes within the grace is sent the new token, and who sleeps through it has it when it wakes', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('here'))
  const server = await startServer(t)
  const sleeper = await machine(t, server, target, 'sleeper', true)
  // As it is typed: the command reaches the server that runs.
  const command = program(t, SERVER, ['token', 'rotate', '--grace', '10m', '--json', '--data-dir', server.dataDir])
  const rotated = await command.event('rotated')
  assert.equal((rotated.told as string[]).length, 1)
  const late = await machine(t, server, target, 'late', true)
  await tokensWhen(server, ([newest]) => newest?.clients.length === 2)
  assert.deepEqual([storedTokenIn(sleeper), storedTokenIn(late)], [rotated.token, rotated.token])

  sleeper.client.child.kill('SIGSTOP')
  const { secret } = await ownerOf(server).tokens.rotateToken({ grace: durationFromMs(2_000) })
  await tokensWhen(server, ([newest]) => newest?.clients.length === 1)
  // Its session ends with the grace, by itself.
  const ended = await tokensWhen(
    server,
    tokens => tokens[1]?.state === TokenState.ENDED && tokens[1].clients.length === 0,
  )
  assert.deepEqual([ended[1]?.state, ended[1]?.clients.length], [TokenState.ENDED, 0])
  const seen = sleeper.client.events.length
  sleeper.client.child.kill('SIGCONT')
  await sleeper.client.event('online', seen)
  assert.deepEqual([storedTokenIn(sleeper), storedTokenIn(late)], [secret, secret])
  const tokens = await tokensWhen(server, ([newest]) => newest?.clients.length === 2)
  assert.equal(tokens[0]?.clients.length, 2)
})
