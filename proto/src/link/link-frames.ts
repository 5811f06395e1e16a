// Frames of the link itself (hello, welcome, ping, pong, goaway): batches that are neither counted nor replayed.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { PbtError } from '../errors.ts'
import { MAX_CONTROL_BYTES } from '../limits.ts'
import { BatchSchema, type Frame } from '../tunnel-v1.ts'

/** Frames that belong to one link, not to the session: lost with the link, never sent again. */
export type LinkFrame = Extract<Frame['body'], { case: 'hello' | 'welcome' | 'ping' | 'pong' | 'goAway' }>

/** One batch that holds one link frame; `ack`: the number of the last counted batch received. */
export function encodeLinkFrame(frame: LinkFrame, ack = 0): Buffer {
  const bytes = toBinary(BatchSchema, create(BatchSchema, { ack: BigInt(ack), frames: [{ body: frame }] }))
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** The link frames of a batch, for the handshake, before a mux is there. Throws PbtError `protocol` on anything else. */
export function decodeLinkFrames(batch: Uint8Array): LinkFrame[] {
  if (batch.length > MAX_CONTROL_BYTES) {
    throw new PbtError('protocol', `handshake of ${batch.length} bytes is larger than ${MAX_CONTROL_BYTES}`)
  }
  let decoded: ReturnType<typeof decode>
  try {
    decoded = decode(batch)
  } catch (cause) {
    throw new PbtError('protocol', 'handshake is not a batch of pbt.tunnel.v1', { cause })
  }
  return decoded.frames.map(frame => {
    if (decoded.number !== 0n || frame.channel !== 0n || !isLinkFrame(frame.body)) {
      throw new PbtError(
        'protocol',
        `handshake holds a frame "${frame.body.case ?? 'unknown'}" of channel ${frame.channel}`,
      )
    }
    return frame.body
  })
}

function decode(batch: Uint8Array) {
  return fromBinary(BatchSchema, batch)
}

function isLinkFrame(body: Frame['body']): body is LinkFrame {
  switch (body.case) {
    case 'hello':
    case 'welcome':
    case 'ping':
    case 'pong':
    case 'goAway':
      return true
    default:
      return false
  }
}
