// The verb that lets somebody in, for clients that ask for their owner.
import { PbtError } from '@pbt/proto'
import { Failure } from '../failure.ts'
import type { AddressVerbs, ListEntry } from './addresses.ts'

/** False where everybody may visit. Rejects with PbtError for what the owner can mend. `addresses`: asked when it is called. */
export function lettingIn(
  addresses: () => Pick<AddressVerbs, 'allowPeer'>,
): (letIn: ListEntry & { readonly address: string }) => Promise<boolean> {
  return async ({ address, ...entry }) => {
    try {
      return (await addresses().allowPeer(address, entry)).isAdded
    } catch (cause) {
      if (!(cause instanceof Failure)) throw cause
      throw new PbtError('not-allowed', cause.message, { cure: cause.cure, cause })
    }
  }
}
