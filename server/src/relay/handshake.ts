// The first exchange on a link: is the hello one that this server can serve?
import { decodeLinkFrames, PbtError, PROTOCOL_MAJOR } from '@pbt/proto'
import type { Hello } from '@pbt/proto/tunnel/v1'

/** Longest of the texts a hello carries, in characters. */
const MAX_TEXT_CHARS = 200

/** The hello in a link's first batch. Throws PbtError `protocol` or `version`. */
export function readHello(batch: Buffer): Hello {
  const [frame, ...others] = decodeLinkFrames(batch)
  if (frame?.case !== 'hello' || others.length > 0) {
    throw new PbtError('protocol', `the first batch holds "${frame?.case ?? 'nothing'}" instead of one hello`)
  }
  const hello = frame.value
  if (hello.major !== PROTOCOL_MAJOR) throw wrongVersion(hello)
  for (const text of [hello.clientId, hello.machineId, hello.label, hello.agent]) {
    if (text.length > MAX_TEXT_CHARS) throw new PbtError('protocol', `hello with a text of ${text.length} characters`)
  }
  if (hello.clientId === '' || hello.machineId === '') throw new PbtError('protocol', 'hello without a client id')
  return hello
}

function wrongVersion(hello: Hello): PbtError {
  const side = hello.major < PROTOCOL_MAJOR ? 'pbt on this machine' : 'pbt-server'
  return new PbtError(
    'version',
    `client speaks version ${hello.major} of the protocol, server version ${PROTOCOL_MAJOR}: upgrade ${side}`,
  )
}
