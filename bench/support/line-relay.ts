// A line for the link: one rate and FIFO for each direction, one-way delay, a queue of one bandwidth-delay product and
// 512 KiB. A process of its own: `line-relay.ts <target port> <bytes a ms> <one-way ms>`, prints its address.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

const [target = '0', rateText = '0', delayText = '0'] = process.argv.slice(2)
const bytesPerMs = Number(rateText)
const delayMs = Number(delayText)
/** Beyond it the sender's TCP is made to wait, as by a router whose queue is full. */
const QUEUE_BYTES = bytesPerMs * delayMs * 2 + 512 * 1024

/** All connections share the direction's rate. */
class Direction {
  private busyUntil = 0
  /** In the order of leaving: when each chunk has arrived at the other end. */
  private readonly flying: { readonly at: number; readonly chunk: Buffer; readonly to: Socket }[] = []
  private head = 0
  private queued = 0
  private readonly paused = new Set<Socket>()
  private timer: NodeJS.Timeout | undefined

  take(from: Socket, to: Socket, chunk: Buffer): void {
    const now = performance.now()
    this.busyUntil = Math.max(now, this.busyUntil) + chunk.length / bytesPerMs
    this.flying.push({ at: this.busyUntil + delayMs, chunk, to })
    this.queued += chunk.length
    if (this.queued > QUEUE_BYTES + bytesPerMs * delayMs) {
      from.pause()
      this.paused.add(from)
    }
    this.plan()
  }

  private plan(): void {
    const first = this.flying[this.head]
    if (this.timer !== undefined || first === undefined) return
    // Node's timers are whole milliseconds and late; what is due by then leaves together.
    this.timer = setTimeout(() => this.release(), Math.max(0, Math.floor(first.at - performance.now())))
  }

  private release(): void {
    this.timer = undefined
    const now = performance.now()
    for (let first = this.flying[this.head]; first !== undefined && first.at <= now; first = this.flying[this.head]) {
      this.head++
      this.queued -= first.chunk.length
      if (!first.to.destroyed) first.to.write(first.chunk)
    }
    if (this.head > 1024) this.flying.splice(0, this.head)
    if (this.flying.length === 0 || this.head > 1024) this.head = 0
    for (const socket of this.paused) socket.resume()
    this.paused.clear()
    this.plan()
  }
}

const up = new Direction()
const down = new Direction()
const server = createServer({ noDelay: true }, near => {
  const far = connect({ port: Number(target), host: '127.0.0.1', noDelay: true })
  for (const [from, to, direction] of [
    [near, far, up],
    [far, near, down],
  ] as const) {
    from.on('data', chunk => direction.take(from, to, chunk as Buffer))
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
  }
})
server.listen(0, '127.0.0.1', () => process.stdout.write(`${JSON.stringify(server.address() as AddressInfo)}\n`))
