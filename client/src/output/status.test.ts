// What `pbt status` and `pbt tunnel list` show to people.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TunnelSnapshot } from '../tunnels/events.ts'
import { statusLines } from './status.ts'

const TUNNEL: TunnelSnapshot = {
  ...{ number: 1, name: 'app', kind: 'http', target: '127.0.0.1:3000', allow: [], waiting: [], allowlists: [] },
  ...{ urls: ['https://app.localhost:8443'], fault: '', cure: '', targetFault: '', isKilled: false, isStopped: false },
  ...{ requests: 0, open: 0, bytesIn: 0, bytesOut: 0 },
}

function shown(tunnel: Partial<TunnelSnapshot>): string {
  const tunnels = [{ ...TUNNEL, ...tunnel }]
  const traffic = { open: 0, roundTripMs: 0 }
  const rest = { pid: 1, server: 'localhost:8443', reason: '', traffic, isDaemon: true, faults: [] }
  const lines = statusLines([{ kind: 'answered', snapshot: { ...rest, state: 'online', tunnels } }])
  return lines
    .slice(1)
    .map(spans => spans.map(([text]) => text).join(''))
    .join('\n')
}

test('a tunnel shows the name that commands take, unless its address says it', () => {
  assert.match(shown({}), /^ {2}https:\/\/app\.localhost:8443 {2}to 127\.0\.0\.1:3000 {2}0 requests/)
  assert.match(shown({ name: 'app.mine.uk', urls: ['https://app.mine.uk'] }), /^ {2}https:\/\/app\.mine\.uk {2}to /)
  assert.match(shown({ name: 'shop' }), /^ {2}https:\/\/app\.localhost:8443 {2}shop {2}to 127\.0\.0\.1:3000/)
  const tcp = { kind: 'tcp', name: 'tcp-20022', urls: ['tcp://localhost:20022'] } as const
  assert.match(shown(tcp), /^ {2}tcp:\/\/localhost:20022 {2}tcp-20022 {2}to /)
})
