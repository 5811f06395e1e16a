// HTTP/2 frames as one writes them by hand, for peers that do what no library does (RFC 9113 section 6, RFC 7541).

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
export const [DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS] = [0, 1, 2, 3, 4] as const
export const [PING, GOAWAY, WINDOW_UPDATE, CONTINUATION] = [6, 7, 8, 9] as const
export const [END_STREAM, ACK, END_HEADERS] = [1, 1, 4] as const
/** What stands before each payload. */
export const FRAME_HEAD_BYTES = 9

export type Fields = readonly (readonly [name: string, value: string])[]

/** One frame as it goes over the wire. */
export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

export function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32BE(value)
  return buffer
}

/** Fields as literals that neither side remembers (RFC 7541 section 6.2.2); octets in latin1. */
export function hpack(fields: Fields): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]))
}

function literal(text: string): Buffer {
  const octets = Buffer.from(text, 'latin1')
  if (octets.length < 0x7f) return Buffer.concat([Buffer.from([octets.length]), octets])
  const length = [0x7f]
  let rest = octets.length - 0x7f
  for (; rest >= 0x80; rest >>= 7) length.push((rest & 0x7f) | 0x80)
  return Buffer.concat([Buffer.from([...length, rest]), octets])
}

/** The block of `GET https://app.localhost/`: indexed fields and one literal (RFC 7541). */
export const GET_APP = Buffer.concat([Buffer.from([0x82, 0x87, 0x84, 0x41, 13]), Buffer.from('app.localhost')])
export const POST_APP = Buffer.concat([Buffer.from([0x83, 0x87, 0x84, 0x41, 13]), Buffer.from('app.localhost')])
/** One more field, `a: a`, not indexed. */
export const ONE_FIELD = Buffer.from([0x00, 1, 0x61, 1, 0x61])
