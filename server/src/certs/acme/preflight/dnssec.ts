// Whether signatures that do not fit keep every resolver that checks them, and so the CA, from an answer.
import type { Check } from '../types.ts'
import { finding, whyNot } from './place.ts'
import type { World } from './world.ts'

const STEP = 'dnssec'

/** Asks a resolver with and without checking: only what is answered without alone is broken. */
export async function checkDnssec(name: string, world: World): Promise<Check> {
  const checked = await world.resolved(name, 'A')
  if (checked.kind === 'found' || checked.kind === 'none') {
    return finding(STEP, name, 'ok', `a resolver answers for ${name}: no signature is broken that it checks`)
  }
  const unchecked = await world.resolved(name, 'A', true)
  const isBogus = checked.kind === 'failed' && (unchecked.kind === 'found' || unchecked.kind === 'none')
  if (!isBogus) return finding(STEP, name, 'not-checked', `no resolver answers for ${name}: ${whyNot(checked)}`)
  const message = `the DNSSEC signatures of ${name} are broken: ${checked.by} answers only when it does not check them`
  return finding(STEP, name, 'failed', message, { cure: 'repair them, or remove the DS record at the registrar' })
}
