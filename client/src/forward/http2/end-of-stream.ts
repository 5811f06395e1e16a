// Whether a stream's answer is whole: END_STREAM says so, a reset does not, and Node says "end" for both.
import type { ClientHttp2Stream } from 'node:http2'

/**
 * Calls `whole` when END_STREAM comes, or `cut` when the stream ends without it, within what Node does with the frame:
 * neither may destroy the stream. Node pushes the end in both cases (also for RST_STREAM with code 0), and all it says of it
 * later is the same; only while it pushes has a stream that was reset been closed already, and a whole one not yet.
 */
export function watchEnd(stream: ClientHttp2Stream, whole: () => void, cut: () => void): void {
  const { push } = stream
  let hasEnded = false
  stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk === null && !hasEnded) {
      hasEnded = true
      if (stream.closed) cut()
      else whole()
    }
    return push.call(stream, chunk, encoding)
  }
}
