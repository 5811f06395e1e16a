// Root that looks after a server from a shell: whatever it makes in the data directory has to be the server's, which could not open it otherwise.
import { statSync } from 'node:fs'

/** As root, becomes the user that the directory belongs to; otherwise, and when there is no such directory, nothing. For good. */
export function becomeOwnerOf(directory: string): void {
  if (process.geteuid?.() !== 0) return
  const owner = statSync(directory, { throwIfNoEntry: false })
  if (owner === undefined || owner.uid === 0) return
  // The groups first: a user cannot change them any more.
  process.setgroups?.([owner.gid])
  process.setgid?.(owner.gid)
  process.setuid?.(owner.uid)
}

/** As root, calls as the user that the directory belongs to, and is root again afterwards; otherwise only calls. */
export async function asOwnerOf<T>(directory: string, call: () => Promise<T>): Promise<T> {
  const owner = process.geteuid?.() === 0 ? statSync(directory, { throwIfNoEntry: false }) : undefined
  if (owner === undefined || owner.uid === 0) return await call()
  process.setegid?.(owner.gid)
  process.seteuid?.(owner.uid)
  try {
    return await call()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
}
