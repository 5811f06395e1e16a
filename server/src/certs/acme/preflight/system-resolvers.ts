// Which resolvers this machine asks: the owner's, or those of resolv.conf(5).
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import type { Server } from './exchange.ts'
import type { WorldOptions } from './world.ts'

/** resolv.conf(5): no more count. */
const MAX_RESOLVERS = 3
const DNS_PORT = 53

/** `setting`: dns-resolver, '' for none. Reads the file anew. */
export function worldFor(setting: string, file = '/etc/resolv.conf'): WorldOptions {
  if (setting !== '') return { resolvers: [serverIn(setting)], isResolverOnly: true }
  return { resolvers: resolversIn(textOf(file)), isResolverOnly: false }
}

/** `9.9.9.9`, `9.9.9.9:53`, `2620:fe::fe` or `[::1]:5353`, as the setting was checked. */
function serverIn(text: string): Server {
  if (isIP(text) !== 0) return { address: text, port: DNS_PORT }
  const at = text.lastIndexOf(':')
  return { address: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) }
}

function resolversIn(text: string): Server[] {
  const found = [...text.matchAll(/^nameserver[ \t]+(\S+)/gm)].flatMap(([, address = '']) =>
    isIP(address.replace(/%.*$/, '')) === 0 ? [] : [{ address, port: DNS_PORT }],
  )
  // What the C library does without a file.
  return found.length === 0 ? [{ address: '127.0.0.1', port: DNS_PORT }] : found.slice(0, MAX_RESOLVERS)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
