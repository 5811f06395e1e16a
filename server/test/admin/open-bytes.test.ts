// Figures of what is still open: a download, a WebSocket and a TCP connection show while they last, and each byte once.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { readLog } from '../support/access-log.ts'
import { startClient, startPbt } from '../support/programs.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { rawVisitor } from '../support/visitors.ts'

/** Only a failure waits for it. */
const WAIT_MS = 30_000
const PART = 100_000

/** Looks again until it is so; the server counts every five seconds. */
async function until(isSo: () => boolean, what: () => string): Promise<void> {
  const end = performance.now() + WAIT_MS
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`not within ${WAIT_MS} ms: ${what()}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

test('bytes of a download and of a TCP connection are in the figures while they are open, and not twice when they end', async t => {
  let finish: () => void = () => {}
  const target = await httpTarget(t, (_request, response) => {
    response.write(Buffer.alloc(PART))
    finish = () => response.end(Buffer.alloc(PART))
  })
  const { server } = await startPbt(t, target)
  const echo = await rawTarget(t, socket => socket.pipe(socket))
  const tcp = await startClient(t, server, ['tcp', String(echo)])
  const log = readLog(t, server.dataDir)
  const bytesOf = (tunnel: string) => {
    const { bytesIn, bytesOut } = log.figures(tunnel)
    return [bytesIn, bytesOut]
  }

  const download = await rawVisitor(t, server)
  download.send('GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n')
  const shell = connect({ port: tcp.port, host: '127.0.0.1' })
  t.after(() => shell.destroy())
  shell.write('1234567')
  await once(shell, 'data')
  const name = `tcp-${tcp.port}`
  await until(
    () => bytesOf('app')[1] === PART && bytesOf(name)[1] === 7,
    () => `${bytesOf('app')} ${bytesOf(name)}`,
  )
  assert.deepEqual(
    [bytesOf('app'), bytesOf(name)],
    [
      [0, PART],
      [7, 7],
    ],
  )
  assert.equal(log.figures('app').requests, 0)

  shell.end('890')
  shell.resume()
  await once(shell, 'close')
  finish()
  await until(
    () => log.figures('app').requests === 1 && log.figures(name).connections === 1,
    () => JSON.stringify(log.figures('app')),
  )
  assert.deepEqual(
    [bytesOf('app'), bytesOf(name)],
    [
      [0, 2 * PART],
      [10, 10],
    ],
  )
  const [tcpRecord] = log.records({ tunnel: name, limit: 1 })
  const [record] = log.records({ tunnel: 'app', limit: 1 })
  assert.deepEqual([record?.bytesOut, tcpRecord?.bytesIn, tcpRecord?.bytesOut], [2 * PART, 10, 10])
})
