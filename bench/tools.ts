// The programs people put behind tunnels, through tunnels: iperf3, ssh, PostgreSQL, nc, socat, dig, DTLS, WireGuard and QUIC, each
// beside the same without a tunnel where there is something to compare. What is not installed is left out and said so.

import { Cleanup } from './support/cleanup.ts'
import { find } from './support/machine.ts'
import { Report } from './support/report.ts'
import { tools } from './support/tools/list.ts'
import { type Place, startPlace } from './support/tools/place.ts'
import type { Tool } from './support/tools/tool.ts'

const cleanup = new Cleanup()
const report = new Report('tools', 'ordinary programs through TCP and UDP tunnels')
const only = process.argv.slice(2)
const rows: string[][] = []
let isKept = true
try {
  const place = await startPlace(cleanup)
  for (const tool of tools) {
    if (only.length > 0 && !only.some(word => tool.what.includes(word))) continue
    rows.push([tool.what, ...(await tried(tool, place))])
    process.stderr.write(`${rows.at(-1)?.join(': ')}\n`)
  }
} finally {
  await cleanup.end()
}
report.table('What they said', ['what', 'seen', 'result'], rows)
report.save()
process.exit(isKept ? 0 : 1)

async function tried(tool: Tool, place: Place): Promise<[string, string]> {
  const missing = tool.needs.filter(program => find(program) === undefined)
  if (missing.length > 0) return [`${missing.join(', ')} not installed`, 'left out']
  try {
    return [await tool.run(place), 'ok']
  } catch (error) {
    isKept = false
    return [String(error instanceof Error ? error.message : error).replaceAll(/\s*\n\s*/g, ' / '), 'failed']
  }
}
