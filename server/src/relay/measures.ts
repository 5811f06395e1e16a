// A client measures its link: what it may have for that.
import { create } from '@bufbuild/protobuf'
import { Allowance, type Clock, KIB, MIB, PbtError } from '@pbt/proto'
import { type Measure, type Measured, MeasuredSchema } from '@pbt/proto/tunnel/v1'

/** Of one padding; two seconds of a fast line fit into the allowance, and no flood of small questions does. */
const MAX_PADDING_BYTES = 32 * KIB
const LEAST_BYTES = KIB
const MAX_BYTES = 512 * MIB
const BYTES_A_SECOND = MIB

/** For one session. */
export class Measures {
  private readonly allowance: Allowance

  constructor(clock: Clock) {
    this.allowance = new Allowance(clock, MAX_BYTES, BYTES_A_SECOND)
  }

  /** Throws PbtError `limit` for more than is good for the server. */
  answerTo({ id, padding, wantedBytes }: Measure): Measured {
    if (padding.length > MAX_PADDING_BYTES || wantedBytes > MAX_PADDING_BYTES) {
      throw new PbtError('limit', `a measurement of more than ${MAX_PADDING_BYTES} bytes at once`)
    }
    if (!this.allowance.spend(Math.max(LEAST_BYTES, padding.length + wantedBytes))) {
      throw new PbtError('limit', 'the link is measured too often')
    }
    return create(MeasuredSchema, { id, padding: new Uint8Array(wantedBytes) })
  }
}
