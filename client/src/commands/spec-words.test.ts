import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inSpecWords } from './spec-words.ts'

test('H47: hints are spelt as specs are', () => {
  for (const [said, expected] of [
    ['choose another port with --reserve-port', 'choose another port with port='],
    [
      'choose a port from 20000 to 40000 with --reserve-port, or widen port-range of the server',
      'choose a port from 20000 to 40000 with port=, or widen port-range of the server',
    ],
    ['choose another name with --domain', 'choose another name with domain='],
    ['leave out --target-protocol h2c, or give', 'leave out target-protocol=h2c, or give'],
    ['--idle-timeout "5" cannot be used', 'idle-timeout="5" cannot be used'],
    ['--allow is given 900 times', 'allow= is given 900 times'],
    ['--verify-target checks it', 'verify-target checks it'],
    ['run "pbt init --server HOST[:PORT]" once', 'run "pbt init --server HOST[:PORT]" once'],
    ['set tls-cert', 'set tls-cert'],
  ] as const)
    assert.equal(inSpecWords(said), expected)
})
