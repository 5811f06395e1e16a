// Who listens on this machine, from /proc (proc(5)): port, and the process when it may be looked at.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** Somebody who has the port. */
export interface Listener {
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
  /** `nginx`, 1234; undefined: another user's, which root alone may see. */
  readonly process: { readonly name: string; readonly pid: number } | undefined
}

const LISTENING = '0A'
const UNCONNECTED = '07'
/** How this program calls its process. */
const SERVER = 'pbt-server'

/** Undefined where the system has no /proc. `root`: where the file system begins. */
export function listeners(ports: readonly number[], root = '/'): readonly Listener[] | undefined {
  const found: { protocol: 'tcp' | 'udp'; port: number; inode: string }[] = []
  let isReadable = false
  for (const table of ['tcp', 'tcp6', 'udp', 'udp6'] as const) {
    const text = textOf(join(root, 'proc/net', table))
    if (text === undefined) continue
    isReadable = true
    const protocol = table.startsWith('tcp') ? 'tcp' : 'udp'
    for (const line of text.split('\n').slice(1)) {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/)
      const port = Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16)
      if (ports.includes(port) && state === (protocol === 'tcp' ? LISTENING : UNCONNECTED))
        found.push({ protocol, port, inode })
    }
  }
  if (!isReadable) return undefined
  const owners = ownersOf(new Set(found.map(({ inode }) => inode)), root)
  return found.map(({ protocol, port, inode }) => ({ protocol, port, process: owners.get(inode) }))
}

/** A socket may have several: systemd, and whoever started the server, keep those that they hand on. The one that serves counts. */
function ownersOf(inodes: ReadonlySet<string>, root: string): Map<string, { name: string; pid: number }> {
  const owners = new Map<string, { name: string; pid: number }>()
  if (inodes.size === 0) return owners
  for (const pid of namesIn(join(root, 'proc')).filter(name => /^\d+$/.test(name))) {
    for (const descriptor of namesIn(join(root, 'proc', pid, 'fd'))) {
      const inode = /^socket:\[(\d+)\]$/.exec(targetOf(join(root, 'proc', pid, 'fd', descriptor)))?.[1]
      if (inode === undefined || !inodes.has(inode)) continue
      const known = owners.get(inode)
      if (known?.name === SERVER) continue
      owners.set(inode, { name: textOf(join(root, 'proc', pid, 'comm'))?.trim() ?? '?', pid: Number(pid) })
    }
  }
  return owners
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link)
  } catch {
    return ''
  }
}
