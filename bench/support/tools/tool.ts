// What a measured program is to the bench.
import type { Place } from './place.ts'

export interface Tool {
  readonly what: string
  readonly needs: readonly string[]
  /** Resolves with what was seen; throws when it is not what it should be. */
  run(place: Place): Promise<string>
}
