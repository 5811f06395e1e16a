// The PROXY protocol's headers, octet by octet (haproxy.org/download/2.9/doc/proxy-protocol.txt section 2).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { datagramHeader, proxyHeader } from './proxy-protocol.ts'

const SIGNATURE = '0d0a0d0a000d0a515549540a'
const [V4, V6] = ['203.0.113.7:50123', '[2001:db8::7]:50123']
/** 203.0.113.7 to 198.51.100.1, and 2001:db8::7 to ::1, both from port 50123 to 20022. */
const ENDS_4 = 'cb007107c6336401c3cb4e36'
const ENDS_6 = `20010db8000000000000000000000007${'0'.repeat(31)}1c3cb4e36`

test('connections: version 1 is a line, version 2 the same in octets', () => {
  assert.equal(
    String(proxyHeader('v1', V4, '198.51.100.1:20022')),
    'PROXY TCP4 203.0.113.7 198.51.100.1 50123 20022\r\n',
  )
  assert.equal(String(proxyHeader('v1', V6, '[::1]:20022')), 'PROXY TCP6 2001:db8::7 ::1 50123 20022\r\n')
  assert.equal(proxyHeader('v2', V4, '198.51.100.1:20022').toString('hex'), `${SIGNATURE}2111000c${ENDS_4}`)
  assert.equal(proxyHeader('v2', V6, '[::1]:20022').toString('hex'), `${SIGNATURE}21210024${ENDS_6}`)
})

test('what has no two addresses of one family says so', () => {
  for (const [visitor, local] of [
    [V4, '[::1]:20022'],
    ['', ''],
    ['nonsense', V4],
  ] as const) {
    assert.equal(String(proxyHeader('v1', visitor, local)), 'PROXY UNKNOWN\r\n')
    assert.equal(proxyHeader('v2', visitor, local).toString('hex'), `${SIGNATURE}20000000`)
  }
})

test('F14: datagrams have the octets of UDP, and any address of the family where the port does not know its own', () => {
  assert.equal(datagramHeader(V4, '198.51.100.1:20022').toString('hex'), `${SIGNATURE}2112000c${ENDS_4}`)
  assert.equal(datagramHeader(V6, '[::1]:20022').toString('hex'), `${SIGNATURE}21220024${ENDS_6}`)
  assert.equal(datagramHeader(V4, '[::]:20022').toString('hex'), `${SIGNATURE}2112000ccb00710700000000c3cb4e36`)
  assert.equal(
    datagramHeader(V6, '0.0.0.0:20022').toString('hex'),
    `${SIGNATURE}2122002420010db8000000000000000000000007${'0'.repeat(32)}c3cb4e36`,
  )
  assert.equal(datagramHeader('nonsense', '[::]:1').toString('hex'), `${SIGNATURE}20000000`)
})
