// A server that answers DNS, as it runs for an owner whose CA does not answer: nothing but the responder has work.
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Cleanup } from './cleanup.ts'
import { freeUdpPort, ROOT, SCRATCH, start } from './machine.ts'

export const DNS_BASE = 'tunnel.example.test'
export const FLOOD_PER_SECOND = 20_000
const SERVER = join(ROOT, 'node_modules/.bin/pbt-server')

export const DNS_TYPES = { soa: 6, txt: 16 } as const

/** One question (RFC 1035 section 4.1), `id` up to 65,535. */
export function dnsQuery(id: number, name: string, type: number): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(1, 4)
  const labels = name.split('.').map(label => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]))
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, type, 0, 1])])
}

/** On a loopback address; ended by `cleanup`. */
export async function startResponder(cleanup: Cleanup): Promise<{ readonly port: number; readonly pid: number }> {
  const dataDir = mkdtempSync(join(SCRATCH, 'dns-'))
  cleanup.after(() => rmSync(dataDir, { recursive: true, force: true }))
  await start('edge', SERVER, ['init', '--json', '--data-dir', dataDir]).line()
  const port = await freeUdpPort()
  const nobody = ['--acme-directory', 'https://127.0.0.1:9/directory', '--dns-resolver', '127.0.0.1:9']
  const place = ['--base-domain', DNS_BASE, '--public-address', '127.0.0.1', '--dns-port', String(port)]
  const ports = ['--https-port', '0', '--http-port', '0', '--log-level', 'error']
  const server = start('edge', SERVER, ['start', '--json', '--data-dir', dataDir, ...ports, ...place, ...nobody])
  cleanup.after(() => server.stop())
  await server.line(text => text.includes('"ready"'))
  return { port, pid: server.pid }
}
