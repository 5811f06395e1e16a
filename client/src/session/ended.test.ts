// Why a link ended, and what its owner should do: by what gRPC and TLS said.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { whyEnded } from './ended.ts'

const SERVER = { base: 't.example', port: 443 }

test('a wrong clock is told from an authority that is not known, and a missing route from a server that is away', () => {
  for (const [said, code, isNear, cure] of [
    ['certificate is not yet valid', 'untrusted', false, /check the clock of this machine/],
    ['certificate has expired', 'untrusted', false, /check the clock of this machine/],
    ['self-signed certificate in certificate chain', 'untrusted', false, /pbt init --ca FILE/],
    ['connect ENETUNREACH 203.0.113.7:443', 'unreachable', true, /check the network/],
    ['connect ECONNREFUSED 203.0.113.7:443', 'unreachable', false, /check that pbt-server runs/],
  ] as const) {
    const details = `No connection established. Last error: Error: ${said}. Resolution note: `
    const failure = whyEnded(SERVER, true, { status: 'UNAVAILABLE', details })
    assert.deepEqual([failure.code, failure.isNear], [code, isNear], said)
    assert.match(failure.message, new RegExp(`link\\.t\\.example:443 .*: ${said}$`))
    assert.match(failure.cure, cure)
  }
})
