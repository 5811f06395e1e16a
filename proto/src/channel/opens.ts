// Which channel a frame opens: read from what the peer sent.
import { type BatchReader, BODY_HTTP_REQUEST, BODY_TCP_OPEN, BODY_UDP_OPEN } from '../codec/decode.ts'
import type { ChannelKind, ChannelOpen } from '../codec/heads.ts'
import { PbtError } from '../errors.ts'

/** The kind of channel that a frame with this body opens; undefined for a body that opens none. */
export function openKind(body: number): ChannelKind | undefined {
  switch (body) {
    case BODY_HTTP_REQUEST:
      return 'http'
    case BODY_TCP_OPEN:
      return 'tcp'
    case BODY_UDP_OPEN:
      return 'udp'
    default:
      return undefined
  }
}

/** The open of this kind that `reader` has selected. Throws PbtError when it is malformed. */
export function openIn(reader: BatchReader, kind: ChannelKind): ChannelOpen {
  if (kind === 'http') return { kind, head: reader.requestHead() }
  const { body } = reader.control()
  if (body.case !== 'tcpOpen' && body.case !== 'udpOpen') throw new PbtError('protocol', 'malformed open')
  const { tunnel, visitor, local } = body.value
  return { kind, tunnel, visitor, local }
}
