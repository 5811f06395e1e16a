// The faults and attacks that pbt has to withstand, and what must happen then.
import type { Section } from './fault-row.ts'
import { ACCESS } from './fault-rows-access.ts'
import { MACHINES } from './fault-rows-machines.ts'
import { TRAFFIC } from './fault-rows-traffic.ts'

/** In the order of the page. */
export const SECTIONS: readonly Section[] = [...ACCESS, ...TRAFFIC, ...MACHINES]
