// One request to an HTTP/2 target and its answer.
import { answerFields, lengthOf, requestFields } from './fields.ts'
import { StreamExchange } from './stream-exchange.ts'

export class RequestExchange extends StreamExchange {
  protected readonly mayHaveTrailers = true

  protected requestFields(): string[] {
    return requestFields(this.head, this.ways.host)
  }

  protected answerHead(status: number, raw: readonly string[]): void {
    const hasNoBody = this.head.method === 'HEAD' || status === 204 || status === 304
    this.left = hasNoBody ? 0 : lengthOf(raw)
    this.record.status = status
    this.channel.sendHead({ status, reason: '', headers: answerFields(raw), upgrade: '' })
  }
}
