// Lets the server send larger HTTP/2 frames to us, for which grpc-js has no option.
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type ClientHttp2Stream, constants } from 'node:http2'

const STREAM_CREATED = 'http2.client.stream.created'

/**
 * Waits for the call with this path and authorization to begin on its connection, then announces `frameBytes` there and
 * calls `begun`. No other code knows the authorization, so no other HTTP/2 connection of the process is touched.
 * Returns what stops the waiting.
 */
export function widenFrames(path: string, authorization: string, frameBytes: number, begun: () => void): () => void {
  const onCreated = (message: unknown) => {
    if (!isStreamCreated(message)) return
    const { stream, headers } = message
    if (headers[constants.HTTP2_HEADER_PATH] !== path || headers.authorization !== authorization) return
    stop()
    stream.session?.settings({ maxFrameSize: frameBytes })
    begun()
  }
  const stop = () => {
    unsubscribe(STREAM_CREATED, onCreated)
  }
  subscribe(STREAM_CREATED, onCreated)
  return stop
}

interface StreamCreated {
  stream: ClientHttp2Stream
  headers: Record<string, unknown>
}

/** The shape that the documentation of diagnostics_channel gives for this channel. */
function isStreamCreated(message: unknown): message is StreamCreated {
  return typeof message === 'object' && message !== null && 'stream' in message && 'headers' in message
}
