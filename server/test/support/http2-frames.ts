// HTTP/2 frames by hand, for peers that do what no library does (RFC 9113 section 6).

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
export const [DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS] = [0, 1, 2, 3, 4] as const
export const [PING, GOAWAY, WINDOW_UPDATE, CONTINUATION] = [6, 7, 8, 9] as const
export const [END_STREAM, END_HEADERS] = [1, 4] as const

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
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

/** The block of `GET https://app.localhost/`: indexed fields and one literal (RFC 7541). */
export const GET_APP = Buffer.concat([Buffer.from([0x82, 0x87, 0x84, 0x41, 13]), Buffer.from('app.localhost')])
export const POST_APP = Buffer.concat([Buffer.from([0x83, 0x87, 0x84, 0x41, 13]), Buffer.from('app.localhost')])
/** One more field, `a: a`, not indexed. */
export const ONE_FIELD = Buffer.from([0x00, 1, 0x61, 1, 0x61])
