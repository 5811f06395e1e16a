// Every limit of the protocol, with its unit and its reason. proto/README.md repeats them; a test keeps both in step.

// In bytes: KiB and MiB (IEC 80000-13), not powers of ten.
export const KIB = 1024
export const MIB = 1024 * KIB

/** This protocol. A different major is refused; a lower minor is served. */
export const PROTOCOL_MAJOR = 1
export const PROTOCOL_MINOR = 0

/** Most bytes in one data frame: more than fit into a batch that is sent full. */
export const MAX_DATA_BYTES = 96 * KIB

/** Most bytes in one datagram: what UDP over IPv4 can carry. */
export const MAX_DATAGRAM_BYTES = 65_507

/** Most bytes of an encoded head: 64 KiB from the visitor, the edge's own fields and framing. */
export const MAX_HEAD_BYTES = 80 * KIB

/** Most fields in one head or trailer: the visitor's 200 and the edge's own. */
export const MAX_HEADER_FIELDS = 256

/**
 * A batch is closed for more data at this many bytes. Node writes a message as DATA frames of HTTP/2 and records of TLS of
 * 16 KiB each: with their and gRPC's framing this fills six of both, and a little more would cost a seventh at both ends.
 */
export const BATCH_FULL_BYTES = 98_240

/** What a data frame has around its data, at most. */
export const DATA_FRAMING_BYTES = 16

/** Most data that a frame is sent with: it fills a batch. */
export const FULL_DATA_BYTES = BATCH_FULL_BYTES - DATA_FRAMING_BYTES

/** Most bytes of one read of a target or a TCP visitor: two fill a batch, and nothing is cut in two. */
export const READ_BYTES = FULL_DATA_BYTES / 2

/** Most bytes of a batch: full less one byte, plus the largest frame. Set as gRPC's message limit too. */
export const MAX_BATCH_BYTES = 256 * KIB

/** Most frames in a batch: bounds the work one message can cause. */
export const MAX_BATCH_FRAMES = 4096

/** Most bytes of one control frame (hello, tunnels, reset): a tunnel with a long allowlist fits. */
export const MAX_CONTROL_BYTES = 64 * KIB

/** Credit of a new channel in each direction. Most answers fit without a grant. */
export const INITIAL_CREDIT_BYTES = 256 * KIB

/** A channel's window never grows beyond this: 16 MiB fill 1.3 Gbit/s at 100 ms. */
export const MAX_CREDIT_BYTES = 16 * MIB

/** Sum of the windows' growth beyond the initial credit in one session and direction. */
export const SESSION_CREDIT_BYTES = 32 * MIB

/**
 * What a session's channels have sent and the peer has not read: 256 channels that stand still with their initial credit.
 * Beyond it each may send only LEAST_WINDOW_BYTES ahead of what was read, besides what its window has grown by.
 */
export const SESSION_UNREAD_BYTES = 64 * MIB

/** A receiver grants when this much was read, a quarter of the initial credit: with less a channel would stand for ever. */
export const LEAST_WINDOW_BYTES = INITIAL_CREDIT_BYTES / 4

/** Channels of one session at once. */
export const MAX_CHANNELS = 10_000

/** Flows of datagrams among them: forged addresses cost nothing, and must leave the other half to requests and connections. */
export const MAX_DATAGRAM_CHANNELS = 5_000

/** Tunnels of one session. */
export const MAX_TUNNELS = 256

/** A writer is told to wait when a channel holds this much unsent, and to go on below half. */
export const CHANNEL_QUEUE_BYTES = 256 * KIB

/**
 * Unsent data of all channels of a session. Beyond it a writer is told to wait from LEAST_QUEUE_BYTES on, and to go on only
 * when what it writes may be sent: some small answers fit, and no reader reads for a peer that does not read.
 */
export const SESSION_QUEUE_BYTES = 16 * MIB
export const LEAST_QUEUE_BYTES = 16 * KIB

/** Unsent datagrams of one channel; more are dropped and counted. */
export const DATAGRAM_QUEUE_BYTES = 256 * KIB

/** What a datagram that waits counts besides its bytes: its object and its place, or empty ones would wait without end. */
export const DATAGRAM_OVERHEAD_BYTES = 256

/** Unsent datagrams of one session in all: 4,096 flows with a full queue each would be a gigabyte. */
export const SESSION_DATAGRAM_BYTES = 4 * MIB

/** Bytes sent and not acknowledged, at most: they are kept for replay. */
export const MAX_UNACKED_BYTES = 32 * MIB

/** Batches sent and not acknowledged, at most: bounds what a peer that never acknowledges makes us keep. */
export const MAX_UNACKED_BATCHES = 16_384

/** Control frames that wait to be sent, at most: an answer to each frame of a peer that reads none would fill memory. */
export const MAX_CONTROL_FRAMES = 65_536

/**
 * Frames that bring nothing (empty, unknown, a grant of nothing, a ping): so many at once and a second. A frame of a
 * channel that is over, and data of less than TINY_DATA_BYTES, counts as the 32nd part of one: those are honest, but not
 * half a million a second for long.
 */
export const MAX_IDLE_FRAMES = 65_536
export const IDLE_FRAMES_A_SECOND = 16_384
export const TINY_DATA_BYTES = 16

/**
 * An acknowledgement goes out after this many unacknowledged bytes received or after the delay, with whatever else goes;
 * on its own not sooner after the last than the interval, unless that many bytes have come meanwhile.
 */
export const ACK_EVERY_BYTES = 32 * KIB
export const ACK_DELAY_MS = 5
export const ACK_INTERVAL_MS = 1
export const ACK_AT_MOST_BYTES = 256 * KIB

/** A ping goes out when nothing was heard for this long; the link is dead when nothing was heard for the second. */
export const PING_INTERVAL_MS = 10_000
export const LINK_SILENCE_MS = 15_000

/** Time for hello or welcome after the call began. */
export const HANDSHAKE_MS = 5_000

/** How long a broken link may be resumed. */
export const GRACE_MS = 30_000
