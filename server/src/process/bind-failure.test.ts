import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from '../config/read.ts'
import { Failure } from '../failure.ts'
import { bindFailure } from './bind-failure.ts'

const config = readConfig({ environment: {}, flags: { 'https-port': '443', 'http-port': '80' }, home: '/home/ada' })

function failureFor(code: string, port: number): Failure {
  const failure = bindFailure(
    Object.assign(new Error('listen'), { code, port, address: '::1', syscall: 'listen' }),
    config,
  )
  assert.ok(failure instanceof Failure)
  return failure
}

test('why a port cannot be had is told with its address, its setting and a cure', () => {
  const taken = failureFor('EADDRINUSE', 443)
  assert.equal(taken.code, 'port-taken')
  assert.match(taken.message, /::1 port 443 \(https-port\)/)
  assert.match(taken.cure, /--https-port/)
  assert.equal(failureFor('EACCES', 80).code, 'port-denied')
  assert.match(failureFor('EACCES', 80).cure, /--http-port/)
  assert.equal(failureFor('EADDRNOTAVAIL', 443).code, 'address-unavailable')
})

test('other errors stay what they are', () => {
  const error = new Error('something else')
  assert.equal(bindFailure(error, config), error)
})
