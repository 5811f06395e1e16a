// The checker finds what it is there for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findFaults, importsOf } from './arrows.ts'

function faultsOf(sources: Readonly<Record<string, string>>): string[] {
  return findFaults(Object.keys(sources), file => sources[file] ?? '')
}

test('imports of every form are seen', () => {
  const source = `import a from './a.ts'\nimport {\n  b,\n} from "./b.ts"\nexport * from './c.ts'\nimport './d.ts'\nawait import('./e.ts')`
  assert.deepEqual(importsOf(source), ['./a.ts', './b.ts', './c.ts', './d.ts', './e.ts'])
})

test('an arrow against the house is a fault, one with it is not', () => {
  assert.equal(faultsOf({ 'server/src/relay/a.ts': "import { b } from '../edge/b.ts'" }).length, 1)
  assert.equal(faultsOf({ 'server/src/edge/a.ts': "import { b } from '../relay/b.ts'" }).length, 0)
  assert.equal(faultsOf({ 'server/src/server.ts': "import { b } from './edge/b.ts'" }).length, 0)
  assert.equal(faultsOf({ 'client/src/forward/a.ts': "import { b } from '../agent.ts'" }).length, 1)
})

test('a library has one owner', () => {
  assert.equal(faultsOf({ 'server/src/edge/a.ts': "import winston from 'winston'" }).length, 1)
  assert.equal(faultsOf({ 'server/src/observe/a.ts': "import winston from 'winston'" }).length, 0)
  assert.equal(faultsOf({ 'proto/src/a.ts': "import net from 'node:net'" }).length, 1)
})

test('a cycle is a fault', () => {
  const faults = faultsOf({ 'proto/src/a.ts': "import './b.ts'", 'proto/src/b.ts': "import './a.ts'" })
  assert.match(faults.join(), /import cycle: proto\/src\/a\.ts -> proto\/src\/b\.ts -> proto\/src\/a\.ts/)
})
