// One request to an HTTP/2 target and its answer.
import { lengthOf, requestFields } from './fields.ts'
import { StreamExchange } from './stream-exchange.ts'

/** An ordinary request: everything that is not an upgrade. */
export class RequestExchange extends StreamExchange {
  protected readonly mayHaveTrailers = true

  protected requestFields(): string[] {
    return requestFields(this.head)
  }

  protected answerHead(status: number, raw: readonly string[]): void {
    const hasNoBody = this.head.method === 'HEAD' || status === 204 || status === 304
    this.left = hasNoBody ? 0 : lengthOf(raw)
    this.sendHead(status, raw)
  }
}
