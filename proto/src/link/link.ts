// A gRPC stream as the multiplexer's link, the same at both ends.
import type { Batch } from '../codec/encode.ts'

/** One gRPC stream, or a test's stand-in for it. */
export interface Link {
  /** Takes an encoded batch; calls `taken` once it no longer waits in the process. Must not throw. */
  write(batch: Batch, taken: () => void): void
  /** Ends the stream; no more calls of `taken` are needed. */
  close(): void
}

/** What is needed of a gRPC stream: grpc-js's ClientDuplexStream and ServerDuplexStream both have it. */
export interface LinkStream {
  write(batch: Buffer, taken: () => void): boolean
  end(): void
}

/** The stream as a link. Its opener listens to its data, errors and end, and tells the mux. */
export function linkOf(stream: LinkStream): Link {
  return {
    write: (batch, taken) => {
      stream.write(asMessage(batch), taken)
    },
    close: () => stream.end(),
  }
}

/**
 * grpc-js 1.14 asks of a message only `length`, `byteLength` and `copy(target, start)`, all of which a batch has
 * (compression-filter.js writeMessage, server-interceptors.js serializeMessage); server/test/http/bulk.test.ts holds it to that.
 */
function asMessage(batch: Batch): Buffer {
  return batch as Buffer
}
