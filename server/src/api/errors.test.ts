// What a failed call is told as, and what of it is logged.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Code } from '@connectrpc/connect'
import type { Log } from '../observe/log.ts'
import { tellFailures } from './errors.ts'

test('a call whose caller has gone is no fault of the server, whatever else fails is', async () => {
  const logged: string[] = []
  const nothing = () => {}
  const log: Log = {
    ...{ warn: nothing, info: nothing, debug: nothing, child: () => log },
    error: message => void logged.push(message),
  }
  const gone = new AbortController()
  const request = { signal: gone.signal, method: { name: 'ListRecords' }, stream: false }
  const call = (error: unknown) => tellFailures(log)(() => Promise.reject(error))(request as never)
  gone.abort()
  await assert.rejects(call(gone.signal.reason), { code: Code.Canceled })
  assert.deepEqual(logged, [])
  await assert.rejects(call(new Error('torn')), { code: Code.Internal })
  assert.deepEqual(logged, ['a call failed'])
})
