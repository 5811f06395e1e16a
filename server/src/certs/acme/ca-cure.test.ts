import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cureForCa } from './ca-cure.ts'

test('I5: row 14: some places of the CA were kept out', () => {
  const message =
    'During secondary validation: 203.0.113.7: Fetching http://photos.mine.uk/.well-known/acme-challenge/x: Timeout during connect (likely firewall problem)'
  assert.match(cureForCa({ type: 'connection', message }), /turn off country blocking for ports 80 and 53/)
})

test('each kind of refusal has a cure of its own, and an unknown one a way to look', () => {
  for (const [type, message, cure] of [
    ['caa', 'CAA record for mine.uk prevents issuance', /CAA records forbid/],
    ['connection', 'Connection refused', /open port 80/],
    ['dns', 'DNSSEC: Bogus', /DS record/],
    ['dns', 'SERVFAIL looking up A', /cannot look the name up/],
    ['unauthorized', 'Invalid response from http://x', /another server answered/],
    ['rateLimited', 'too many', /when the CA allows it/],
    ['rejectedIdentifier', 'policy forbids', /another CA/],
    ['', 'what', /domain check/],
    ['somethingNew', '', /domain check/],
  ] as const) {
    assert.match(cureForCa({ type, message }), cure, type)
  }
})
