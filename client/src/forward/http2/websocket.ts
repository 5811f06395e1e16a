// A WebSocket to an HTTP/2 target: an extended CONNECT where the target takes it (RFC 8441), HTTP/1.1's handshake elsewhere.
import type { Channel, RequestHead } from '@pbt/proto'
import type { Http2Connection } from './connection.ts'
import { acceptedFields, connectFields, lengthOf } from './fields.ts'
import { HandshakeExchange } from './handshake.ts'
import { StreamExchange, type Ways } from './stream-exchange.ts'

/** The visitor sees an HTTP/1.1 handshake, whatever the target speaks. */
export class WebSocketExchange extends StreamExchange {
  protected readonly mayHaveTrailers = false
  private readonly key: string

  /** `key`: the handshake's Sec-WebSocket-Key. */
  constructor(channel: Channel, head: RequestHead, last: boolean, ways: Ways, key: string) {
    super(channel, head, last, ways)
    this.key = key
  }

  override onConnection(connection: Http2Connection): void {
    if (connection.takesWebSockets) this.start(connection)
    else this.handOver(new HandshakeExchange(this.channel, this.head, this.ways))
  }

  protected requestFields(): string[] {
    return connectFields(this.head)
  }

  protected answerHead(status: number, raw: readonly string[]): void {
    if (status < 300) {
      this.isTunnel = true
      this.record.status = 101
      const headers = acceptedFields(raw, this.key)
      this.channel.sendHead({ status: 101, reason: 'Switching Protocols', headers, upgrade: 'websocket' })
      return
    }
    this.left = status === 304 ? 0 : lengthOf(raw)
    this.sendHead(status, raw)
  }
}
