// A gRPC stream as the multiplexer's link, the same at both ends.
import type { Link } from './mux.ts'

/** What is needed of a gRPC stream: grpc-js's ClientDuplexStream and ServerDuplexStream both have it. */
export interface LinkStream {
  write(batch: Buffer, taken: () => void): boolean
  end(): void
}

/** The stream as a link. Whoever opened the stream listens to its data, errors and end, and tells the mux. */
export function linkOf(stream: LinkStream): Link {
  return {
    write: (batch, taken) => {
      stream.write(batch as Buffer, taken)
    },
    close: () => stream.end(),
  }
}
