// Either end of a link spoken by hand: batches written and read over a stream without a gRPC library.
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import {
  type Batch,
  BatchSchema,
  type Frame,
  type FrameSchema,
  type HelloSchema,
  type WelcomeSchema,
} from '@pbt/proto/tunnel/v1'

export type HelloInit = MessageInitShape<typeof HelloSchema>
export type WelcomeInit = MessageInitShape<typeof WelcomeSchema>
export type FrameInit = MessageInitShape<typeof FrameSchema>
type BodyOf<C> = Extract<Frame['body'], { case: C }>

/** The prefix and the bytes of one gRPC message. */
export function grpcMessage(bytes: Uint8Array, flag = 0, length = bytes.length): Buffer {
  const prefix = Buffer.alloc(5)
  prefix[0] = flag
  prefix.writeUInt32BE(length, 1)
  return Buffer.concat([prefix, bytes])
}

export function batchOf(number: number, ack: number, frames: readonly FrameInit[]): Uint8Array {
  return toBinary(BatchSchema, create(BatchSchema, { number: BigInt(number), ack: BigInt(ack), frames: [...frames] }))
}

export function batchIn(message: Uint8Array): Batch {
  return fromBinary(BatchSchema, message)
}

/** One call and everything that the other end said on it. */
export abstract class HandmadeLink {
  readonly frames: Frame[] = []
  /** The highest number of a counted batch received; what every batch acknowledges. */
  received = 0
  /** Of the next counted batch that is sent. */
  number = 1
  isOver = false
  private readonly waitMs: number
  private input = Buffer.alloc(0)
  private waiting: (() => void)[] = []

  /** `waitMs`: how long `until` waits for what has to come. */
  constructor(waitMs: number) {
    this.waitMs = waitMs
  }

  /** Sends the bytes as one message. */
  abstract send(message: Uint8Array): void

  /** What else there is to say when something did not come. */
  protected get described(): string {
    return this.isOver ? 'the call is over' : 'the call goes on'
  }

  /** Sends the frames in a counted batch. */
  say(...frames: readonly FrameInit[]): void {
    this.send(batchOf(this.number++, this.received, frames))
  }

  /** The first frame with this body after the first `skip` of them; also after the end of the call. */
  async frame<C extends Frame['body']['case']>(name: C, skip = 0): Promise<BodyOf<C> & { channel: number }> {
    const isWanted = (body: Frame['body']): body is BodyOf<C> => body.case === name
    return await this.until(() => {
      const found = this.frames.filter(({ body }) => isWanted(body))[skip]
      if (found === undefined || !isWanted(found.body)) return undefined
      return { ...found.body, channel: Number(found.channel) }
    }, `frame "${name}"`)
  }

  protected async until<T>(find: () => T | undefined, what: string): Promise<T> {
    const deadline = AbortSignal.timeout(this.waitMs)
    for (;;) {
      const found = find()
      if (found !== undefined) return found
      if (this.isOver || deadline.aborted) {
        throw new Error(`no ${what}: ${this.described}, frames ${this.frames.map(({ body }) => body.case).join(' ')}`)
      }
      await new Promise<void>(resolve => {
        this.waiting.push(resolve)
        deadline.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  protected read(chunk: Buffer): void {
    this.input = Buffer.concat([this.input, chunk])
    while (this.input.length >= 5) {
      const length = this.input.readUInt32BE(1)
      if (this.input.length < 5 + length) break
      const batch = batchIn(this.input.subarray(5, 5 + length))
      this.input = this.input.subarray(5 + length)
      this.received = Math.max(this.received, Number(batch.number))
      this.frames.push(...batch.frames)
    }
    this.wake()
  }

  protected ended(): void {
    this.isOver = true
    this.wake()
  }

  protected wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve()
  }
}
