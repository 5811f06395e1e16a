// The tour of docs/admin-api.md: each of its commands is run against a real server, and shows what the page says.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { scratch, startServer, startTunnel } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const COMMAND_MS = 60_000

/** Stands in for grpcurl where that is not installed: the same call by buf, which asks the server's reflection as grpcurl does. */
const STAND_IN = `#!/usr/bin/env bash
set -u
body='{}' headers=() time=30
while [[ $1 == -* ]]; do
  case $1 in
    -cacert) ca=$2 ;;
    -authority) authority=$2 ;;
    -H) headers+=(-H "$2" --reflect-header "$2") ;;
    -d) body=$2 ;;
    -max-time) time=$2 ;;
  esac
  shift 2
done
common=(--cacert "$ca" --servername "\${authority%:*}" --protocol grpc -H "host: $authority" --reflect-header "host: $authority" "\${headers[@]}")
if [[ $2 == list ]]; then exec buf curl "\${common[@]}" "https://$1" --list-services; fi
exec timeout "$time" buf curl "\${common[@]}" -d "$body" "https://$1/$2"
`

interface Step {
  readonly command: string
  readonly shows: readonly string[]
}

/** Commands and what each shows, in their order. */
function stepsIn(page: string): Step[] {
  const steps: { command: string; shows: string[] }[] = []
  for (const [, block = ''] of page.matchAll(/^```console\n([\s\S]*?)^```$/gm)) {
    for (const line of block.split('\n')) {
      if (line.startsWith('$ ')) steps.push({ command: line.slice(2), shows: [] })
      else if (line.trim() !== '') steps.at(-1)?.shows.push(line.trim())
    }
  }
  return steps
}

test('every command of the tour of the admin API does what the page shows', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('hello'))
  const server = await startServer(t)
  await startTunnel(t, server, target, { domain: 'myapp' })
  await rawRequest(t, server, 'GET /hello HTTP/1.1\r\nHost: myapp.localhost\r\nConnection: close\r\n\r\n')
  const bin = scratch(t)
  const hasGrpcurl = spawnSync('grpcurl', ['-version']).status === 0
  if (!hasGrpcurl) {
    writeFileSync(join(bin, 'grpcurl'), STAND_IN)
    chmodSync(join(bin, 'grpcurl'), 0o755)
    t.diagnostic('grpcurl is not installed: buf curl stands in for it')
  }
  const env = {
    ...process.env,
    PATH: `${bin}:${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}`,
    CA: server.ca,
    TOKEN: server.token,
  }
  const steps = stepsIn(readFileSync(join(ROOT, 'docs/admin-api.md'), 'utf8').replaceAll('8443', String(server.https)))
  assert.ok(steps.length > 30)
  const [alias, ...commands] = steps
  const begin = `shopt -s expand_aliases\n${alias?.command}\n`
  const methods = new Set<string>()
  for (const { command, shows } of commands) {
    const shown = await outputOf(begin + command, env)
    for (const text of shows)
      assert.ok(shown.includes(text), `${command}\n${text}\n— is not in —\n${shown.slice(0, 3_000)}`)
    for (const [method] of command.matchAll(/\b\w+Service\/\w+/g)) methods.add(method)
  }
  assert.ok(methods.size > 25, [...methods].join(' '))
})

async function outputOf(script: string, env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn('bash', ['-c', script], {
    env,
    cwd: ROOT,
    timeout: COMMAND_MS,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let shown = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (shown += String(chunk)))
  await new Promise(resolve => child.once('close', resolve))
  return shown
}
