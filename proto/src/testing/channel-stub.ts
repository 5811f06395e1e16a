// A channel without a session, for what is tested on one side of it only.
import type { Channel } from '../channel/channel.ts'

/** Takes everything and does nothing but what `parts` do. */
export function channelStub(parts: Partial<Channel>): Channel {
  return {
    id: 1,
    kind: 'udp',
    visitor: '203.0.113.7:50123',
    openedAt: 0,
    handler: { onReset: () => {} },
    isOpen: true,
    isAnnounced: true,
    isEnded: false,
    bytesSent: 0,
    bytesReceived: 0,
    countedSent: 0,
    countedReceived: 0,
    sendHead: () => {},
    write: () => true,
    sendDatagram: () => true,
    sendTrailers: () => {},
    end: () => {},
    reset: () => {},
    consumed: () => {},
    ...parts,
  }
}
