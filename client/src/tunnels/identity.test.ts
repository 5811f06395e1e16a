// The same command is the same client, over restarts and whatever tunnels come and go; others are others.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { clientIdOf, type Served } from './identity.ts'

const APP: Served = { kind: 'http', name: '', target: '127.0.0.1:3000', domains: ['app'], port: 0 }
const idOf = (...tunnels: Served[]) => clientIdOf('machine', { kind: 'tunnels', tunnels })

test('a restart of the same command has the same id, in whatever order its options came', () => {
  const two: Served = { ...APP, domains: ['a', 'b'] }
  assert.equal(idOf(two, APP), idOf(APP, { ...two, domains: ['b', 'a'] }))
  assert.ok(idOf(APP).startsWith('machine.'))
})

test('commands that differ in name, kind, target, addresses or number of tunnels have different ids', () => {
  const others: Served[][] = [
    [{ ...APP, name: 'a' }],
    [{ ...APP, name: 'b' }],
    [{ ...APP, kind: 'tcp' }],
    [{ ...APP, target: '127.0.0.1:3001' }],
    [{ ...APP, domains: [] }],
    [{ ...APP, domains: ['app', 'more'] }],
    [{ ...APP, domains: [], name: 'app' }],
    [{ ...APP, port: 20_022 }],
    [APP, APP],
    [],
  ]
  assert.equal(new Set([[APP], ...others].map(tunnels => idOf(...tunnels))).size, others.length + 1)
})

test('a file is known by its path, and the daemon by nothing: what they hold may change', () => {
  const file = (path: string) => clientIdOf('machine', { kind: 'file', path })
  const all = [file('/a.yaml'), file('/b.yaml'), clientIdOf('machine', { kind: 'daemon' }), idOf()]
  assert.equal(new Set(all).size, all.length)
  assert.equal(file('/a.yaml'), file('/a.yaml'))
  assert.notEqual(file('/a.yaml'), clientIdOf('other', { kind: 'file', path: '/a.yaml' }))
})

test('no two commands share an id by the way their words are joined', () => {
  const served = fc.record({
    kind: fc.constantFrom('http' as const, 'tcp' as const, 'udp' as const),
    name: fc.string(),
    target: fc.string(),
    domains: fc.array(fc.string(), { maxLength: 3 }),
    port: fc.nat(65_535),
  })
  const key = (tunnels: readonly Served[]) =>
    JSON.stringify(tunnels.map(one => JSON.stringify({ ...one, domains: [...one.domains].sort() })).sort())
  fc.assert(
    fc.property(fc.array(served, { maxLength: 3 }), fc.array(served, { maxLength: 3 }), (left, right) => {
      assert.equal(idOf(...left) === idOf(...right), key(left) === key(right))
    }),
  )
})
