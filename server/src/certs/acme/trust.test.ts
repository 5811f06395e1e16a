// What a CA's API is trusted by.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rootCertificates } from 'node:tls'
import { rememberedTrust } from './trust.ts'

test('roots are read once, and again when they are others', () => {
  const [one = '', other = ''] = rootCertificates
  const trust = rememberedTrust()
  assert.equal(trust(''), undefined)
  const first = trust(one)
  assert.equal(trust(one), first)
  assert.notEqual(trust(other), first)
  assert.notEqual(trust(one), undefined)
})
