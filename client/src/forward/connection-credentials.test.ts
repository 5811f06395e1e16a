// Which credentials and challenges are of a connection.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authenticatesConnection, challengesConnection } from './connection-credentials.ts'

test('C10: credentials are of the connection unless their scheme is known to go with each request', () => {
  for (const field of [
    'NTLM TlRMTVNTUAAB',
    'negotiate YII=',
    'Kerberos x',
    'Unheard-Of x',
    '',
    '=',
    '0123-abc',
    'Basically x',
  ])
    assert.equal(authenticatesConnection(field), true, field)
  for (const field of ['Basic YTpi', 'bearer x', 'DIGEST username="a"', 'AWS4-HMAC-SHA256 Credential=x', 'Basic'])
    assert.equal(authenticatesConnection(field), false, field)
})

test('C10: a challenge is found wherever it stands in a list', () => {
  for (const field of ['NTLM', 'ntlm TlRM', 'Basic realm="a", Negotiate', 'Negotiate,NTLM', 'Bearer, Kerberos x'])
    assert.equal(challengesConnection(field), true, field)
  for (const field of ['Basic realm="ntlms"', 'Bearer', 'Digest algorithm=MD5', ''])
    assert.equal(challengesConnection(field), false, field)
})
