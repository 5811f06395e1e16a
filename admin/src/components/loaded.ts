// Parts that are loaded when they are first wanted. Not by React.lazy: what that has waited for is shown 300 ms late at least.
import { useEffect, useState } from 'react'

/** Where a part is kept for the next time; one for each part, outside of components. */
export interface Kept<T> {
  part?: T
}

/** The part, or undefined until it has come. A part that cannot be loaded is thrown to the boundary of the page. */
export function useLoaded<T>(isWanted: boolean, kept: Kept<T>, load: () => Promise<T>): T | undefined {
  const [, setDone] = useState(false)
  // biome-ignore lint/correctness/useExhaustiveDependencies: what loads it is the same each time
  useEffect(() => {
    if (!isWanted || kept.part !== undefined) return
    load().then(
      part => {
        kept.part = part
        setDone(true)
      },
      error =>
        setDone(() => {
          throw error
        }),
    )
  }, [isWanted, kept])
  return kept.part
}
