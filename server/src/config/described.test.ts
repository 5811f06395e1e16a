// Settings in words.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeSettings } from './described.ts'
import { ConfigError } from './problems.ts'
import { readConfig, readSettings } from './read.ts'

test('what may be secret is told nowhere: neither in words, nor when it is wrong', () => {
  const environment = {
    PBT_SERVER_NOTIFY_SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    PBT_SERVER_NOTIFY_URL: 'https://ntfy.sh/my-secret-topic',
  }
  const told = JSON.stringify(describeSettings(readSettings({ environment, flags: {}, home: '/home/x' })))
  assert.ok(!/whsec_|my-secret-topic/.test(told), told)
  assert.match(told, /"name":"notify-secret","value":"\(not shown\)","source":"PBT_SERVER_NOTIFY_SECRET"/)
  const wrong = { PBT_SERVER_NOTIFY_SECRET: 'short-secret', PBT_SERVER_NOTIFY_URL: 'ftp://x/my-secret-topic' }
  assert.throws(
    () => readConfig({ environment: wrong, flags: {}, home: '/home/x' }),
    (error: unknown) =>
      error instanceof ConfigError &&
      error.problems.length === 2 &&
      !/short-secret|my-secret-topic/.test(JSON.stringify(error.problems) + error.message),
  )
})
