// What both ends use of the protocol.
export type { Channel, ChannelHandler } from './channel.ts'
export { type Clock, systemClock, type Timer } from './clock.ts'
export { codeOf, type ErrorCode, MAX_MESSAGE_CHARS, PbtError, reasonOf } from './errors.ts'
export type { ChannelKind, ChannelOpen, HeaderList, RequestHead, ResponseHead } from './heads.ts'
export * from './limits.ts'
export { type LinkStream, linkOf } from './link.ts'
export { decodeLinkFrames, encodeLinkFrame, type LinkFrame } from './link-frames.ts'
export { type Link, Mux, type MuxHandler, type MuxStats, type SessionFrame } from './mux.ts'
