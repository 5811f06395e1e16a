// Bytes that are nearly right: what a seed decides, so that a failure can be had again.

export type Random = (below: number) => number

/** Whole numbers from 0 to below `below`, always the same ones for a seed (Numerical Recipes' generator). */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** A copy with one to four octets changed, put in, taken out or doubled, or with the rest cut off. */
export function mutated(random: Random, bytes: Uint8Array): Buffer {
  let changed = Buffer.from(bytes)
  for (let count = 1 + random(4); count > 0; count--) {
    const at = random(changed.length + 1)
    const [before, after] = [changed.subarray(0, at), changed.subarray(at)]
    const octet = Buffer.of(random(256))
    switch (random(8)) {
      case 0:
        changed = Buffer.concat([before, octet, after])
        break
      case 1:
        changed = Buffer.concat([before, after.subarray(1)])
        break
      case 2:
        changed = Buffer.concat([before, after.subarray(0, 8), after])
        break
      case 3:
        changed = Buffer.concat([before, Buffer.alloc(5, 0xff), after])
        break
      case 4:
        if (random(8) === 0) changed = Buffer.from(before)
        break
      default:
        if (after.length > 0) changed = Buffer.concat([before, octet, after.subarray(1)])
    }
  }
  return changed
}
