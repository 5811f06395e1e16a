// What it costs to hand a small request to another thread and its answer back, in CPU time of the whole process: the price of
// ending visitors' TLS in worker threads. To be held against what TLS costs a request (`http.ts`: edge, HTTPS less plain).
import { once } from 'node:events'
import { isMainThread, MessageChannel, type MessagePort, parentPort, Worker } from 'node:worker_threads'
import { Report } from './support/report.ts'
import { readOptions } from './support/run.ts'

/** As a request and its answer in http.ts. */
const BYTES = 400
/** Under way at once. */
const CONNECTIONS = 64

if (isMainThread) await compare()
else
  parentPort?.once('message', (port: MessagePort) => port.on('message', (bytes: Uint8Array) => port.postMessage(bytes)))

async function compare(): Promise<void> {
  const options = readOptions(5, 1)
  const report = new Report('threads', `${BYTES} bytes to another thread and back, ${CONNECTIONS} under way`)
  const worker = new Worker(new URL(import.meta.url))
  const { port1, port2 } = new MessageChannel()
  worker.postMessage(port2, [port2])
  const rows: string[][] = []
  for (const [how, message] of [
    ['copied', () => new Uint8Array(BYTES)],
    ['handed over', () => new Uint8Array(BYTES)],
  ] as const) {
    const isHandedOver = how === 'handed over'
    const end = performance.now() + options.seconds * 1_000
    const used = process.cpuUsage()
    let [trips, open] = [0, CONNECTIONS]
    const over = Promise.withResolvers<void>()
    const send = () => {
      const bytes = message()
      port1.postMessage(bytes, isHandedOver ? [bytes.buffer] : [])
    }
    const back = () => {
      trips++
      if (performance.now() < end) send()
      else if (--open === 0) over.resolve()
    }
    port1.on('message', back)
    for (let count = 0; count < CONNECTIONS; count++) send()
    await over.promise
    port1.off('message', back)
    const { user, system } = process.cpuUsage(used)
    rows.push([how, (trips / options.seconds).toFixed(0), ((user + system) / trips).toFixed(1)])
  }
  report.table('there and back', ['how', 'a second', 'CPU µs, both threads'], rows)
  report.save()
  port1.close()
  await Promise.all([once(worker, 'exit'), worker.terminate()])
}
