import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import { test } from 'node:test'
import { type Interfaces, ownAddresses } from './own-addresses.ts'

const rest = { netmask: '', mac: '00:00:00:00:00:00', cidr: null }
const one = (address: string, internal = false) =>
  address.includes(':')
    ? { ...rest, address, internal, family: 'IPv6' as const, scopeid: 0 }
    : { ...rest, address, internal, family: 'IPv4' as const }
const MACHINE: Interfaces = {
  lo: [one('127.0.0.1', true), one('::1', true)],
  eth0: [one('10.0.0.5'), one('2001:db8::5'), one('fe80::5')],
  eth1: [one('172.17.0.2')],
  gone: undefined,
}

test('0.0.0.0 stands for each IPv4 address of an interface, :: for each address, and never for loopback', () => {
  assert.deepEqual(ownAddresses(['0.0.0.0'], MACHINE), ['10.0.0.5', '172.17.0.2'])
  assert.deepEqual(ownAddresses(['::'], MACHINE), ['10.0.0.5', '2001:db8::5', '172.17.0.2'])
  assert.deepEqual(ownAddresses(['0:0:0:0:0:0:0:0'], MACHINE), ['10.0.0.5', '2001:db8::5', '172.17.0.2'])
})

test('an address that is named stays, and is bound once', () => {
  assert.deepEqual(ownAddresses(['203.0.113.7', '127.0.0.1'], MACHINE), ['203.0.113.7', '127.0.0.1'])
  assert.deepEqual(ownAddresses(['10.0.0.5', '0.0.0.0'], MACHINE), ['10.0.0.5', '172.17.0.2'])
  assert.deepEqual(ownAddresses([], MACHINE), [])
})

test('a machine without such an address is told, with what to do', () => {
  const alone: Interfaces = { lo: MACHINE.lo, eth0: [one('fe80::5')] }
  for (const entry of ['0.0.0.0', '::'])
    assert.throws(() => ownAddresses([entry], alone), { code: 'address-unavailable', message: new RegExp(entry) })
})

test('the system tells of interfaces as it is read here', () => {
  for (const each of Object.values(networkInterfaces()).flat())
    assert.deepEqual([typeof each?.internal, typeof each?.address], ['boolean', 'string'])
})
