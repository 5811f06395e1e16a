// No room to write: traffic goes on, what has to be remembered is refused in words, and all is well when there is room.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { integrityOf, labelsIn } from '../support/database.ts'
import {
  CLIENT,
  clientEnv,
  type Program,
  program,
  type RunningServer,
  scratch,
  startClient,
  startPbt,
} from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

const GET = 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'

/** A way to take the room for the server's data away and to give it back. */
interface Disk {
  readonly dataDir: string
  fill(server: RunningServer): void
  free(server: RunningServer): void
}

/** A file system of a few megabytes; undefined where none may be mounted. */
function smallDisk(t: TestContext): Disk | undefined {
  let isMounted = false
  // Before what removes the directory.
  t.after(() => isMounted && execFileSync('umount', ['-l', directory]))
  const directory = join(scratch(t), 'disk')
  mkdirSync(directory)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', directory], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  isMounted = true
  const ballast = join(directory, 'ballast')
  let filling: NodeJS.Timeout | undefined
  t.after(() => clearInterval(filling))
  const fill = () => {
    for (let bytes = 1 << 20; bytes >= 1; bytes >>= 1) {
      for (;;) {
        try {
          writeFileSync(ballast, Buffer.alloc(bytes), { flag: 'a' })
        } catch {
          break
        }
      }
    }
  }
  return {
    dataDir: join(directory, 'data'),
    fill: () => {
      fill()
      // The access log makes its file anew when it cannot write, and what that frees is not for the server.
      filling = setInterval(fill, 20)
    },
    free: () => {
      clearInterval(filling)
      rmSync(ballast)
    },
  }
}

/** Files that may not be written any more, for every user; undefined without util-linux. */
function limitedFiles(t: TestContext): Disk | undefined {
  const limit = (pid: number, bytes: string) => execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`])
  try {
    limit(process.pid, 'unlimited')
  } catch {
    return undefined
  }
  return {
    dataDir: join(scratch(t), 'data'),
    fill: ({ program: { pid } }) => limit(pid, '0'),
    free: ({ program: { pid } }) => limit(pid, 'unlimited'),
  }
}

/** The addresses of a client's two tunnels. */
async function urlsOf(client: Program): Promise<unknown[]> {
  const online = () => client.events.filter(({ event }) => event === 'online')
  await client.until(() => (online().length === 2 ? true : undefined), 'two tunnels')
  return online()
    .flatMap(({ urls }) => urls)
    .sort()
}

for (const [name, disk] of [
  ['a full file system', smallDisk],
  ['files that may not grow', limitedFiles],
] as const) {
  test(`H12: ${name}: requests are served, new names are refused with the reason, and later taken without a restart`, async t => {
    const place = disk(t)
    if (place === undefined) {
      t.skip('neither mount nor prlimit may be used here')
      return
    }
    const target = await httpTarget(t, (_request, response) => response.end('here'))
    const { server, client } = await startPbt(t, target, { dataDir: place.dataDir })
    const ask = async () => assert.match(await rawRequest(t, server, GET), /^HTTP\/1\.1 200 OK[\s\S]*here$/)
    await ask()
    const home = join(scratch(t), 'client')
    const args = ['up', 'tcp:22', 'http:1,domain=mine']
    const kept = await startClient(t, server, args, { home })
    const before = await urlsOf(kept.client)
    place.fill(server)
    for (let time = 0; time < 20; time++) await ask()

    const refused = program(t, CLIENT, ['http', String(target), '--domain', 'new', '--json'], clientEnv(t, server))
    // It goes on asking, since it is not its doing.
    const told = await refused.event('error')
    assert.match(String(told.message), /the server could not save the tunnel/)
    assert.deepEqual([told.retrying, String(told.cure) !== ''], [true, true])
    const line = server.program.stderr.split('\n').find(each => each.includes('tunnel refused')) ?? ''
    assert.match(line, /no room to write the database.*SQLITE_FULL|the database cannot be used.*SQLITE_IOERR/)
    await ask()
    assert.ok(!labelsIn(place.dataDir).has('new'))

    // What is on disk already is given back to its owner.
    await kept.client.end('SIGKILL')
    const again = await startClient(t, server, args, { home })
    assert.deepEqual(await urlsOf(again.client), before)
    await again.client.end()
    assert.match(server.program.stderr, /"addresses":\["mine"\][^\n]*could not save that addresses are in use/)
    assert.match(server.program.stderr, /"addresses":\["tcp:\d+"\][^\n]*could not save that addresses are in use/)

    place.free(server)
    await refused.event('online')
    await ask()
    assert.ok(labelsIn(place.dataDir).has('new'))
    assert.equal(integrityOf(place.dataDir), 'ok')
    assert.ok(!client.events.some(({ event }) => event === 'reconnecting'))
    assert.equal(server.program.child.exitCode, null)
  })
}
