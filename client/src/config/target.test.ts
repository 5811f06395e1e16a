import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePortTarget, parseTarget } from './target.ts'

test('a slash behind host and port is no path', () => {
  assert.deepEqual(parseTarget('localhost:3000/'), parseTarget('localhost:3000'))
  assert.deepEqual(parseTarget('http://localhost:3000/').endpoint, parseTarget('3000').endpoint)
})

test('what is wrong with a target is named, with what would be right', () => {
  const told: Record<string, { message: RegExp; cure: RegExp }> = {
    'localhost:3000/api': { message: /has the path "\/api"/, cure: /give localhost:3000;/ },
    'http://localhost:3000/api?a': { message: /has the path "\/api\?a"/, cure: /give http:\/\/localhost:3000;/ },
    localhost: { message: /has no port/, cure: /localhost:3000/ },
    'nas:abc': { message: /"abc" is not a port/, cure: /HOST:3000/ },
    'ftp://nas': { message: /"ftp" is not http or https/, cure: /HOST:3000/ },
  }
  for (const [text, expected] of Object.entries(told)) {
    assert.throws(() => parseTarget(text), { code: 'usage', ...expected }, text)
  }
})

test('of a TCP or UDP tunnel it has no scheme, and the forms told are those of its kind', () => {
  assert.throws(() => parsePortTarget('http://nas:22', 'tcp'), { code: 'usage', cure: /HOST:22/ })
  assert.throws(() => parsePortTarget('nas:abc', 'udp'), { code: 'usage', cure: /HOST:51820/ })
  assert.throws(() => parsePortTarget('nas:22/x', 'tcp'), { code: 'usage', cure: /give nas:22;/ })
})
