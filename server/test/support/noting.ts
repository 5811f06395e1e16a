// A target that notes everything it gets and answers each head.
import type { TestContext } from 'node:test'
import { rawTarget } from './targets.ts'

/** On a free port; ended after the test. */
export async function noting(t: TestContext) {
  const seen = { text: '', requests: 0 }
  const port = await rawTarget(t, socket => {
    socket.on('data', chunk => {
      seen.text += chunk.toString('latin1')
      seen.requests += chunk.toString('latin1').split(' HTTP/1.1\r\n').length - 1
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
  })
  return { seen, port }
}
