// Downloads that break off, as curl and Node see them: an error each time, never a body that passes for the whole.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { frameVisitor } from '../support/frame-visitor.ts'
import { DATA, END_STREAM, type Fields, HEADERS, RST_STREAM } from '../support/http2-frames.ts'
import { type RunningServer, scratch, startServer, startTunnel } from '../support/programs.ts'
import { sharedPbt } from '../support/shared.ts'
import { rawTarget } from '../support/targets.ts'
import { http2Visitor } from '../support/visitors.ts'

const { pbt } = sharedPbt()

/** How a visitor saw the end: curl's exit code, or Node's error; 0 and `whole` are a clean one. `begun`: some of the body came. */
type Visit = (t: TestContext, server: RunningServer, path: string, begun: () => void) => Promise<string>

const hasCurl = curlVersion().includes('HTTP2')
/** Partial file, error in the HTTP/2 layer or of a stream, failure when receiving. */
const CURL_CUTS = ['curl 18', 'curl 92', 'curl 16', 'curl 56']

function curlVersion(): string {
  try {
    return execFileSync('curl', ['--version'], { encoding: 'utf8' })
  } catch {
    return ''
  }
}

const curl =
  (version: '--http1.1' | '--http2'): Visit =>
  async (t, server, path, begun) => {
    const url = `https://app.localhost:${server.https}${path}`
    const resolveTo = `app.localhost:${server.https}:127.0.0.1`
    const args = ['-sSN', version, '--cacert', server.ca, '--resolve', resolveTo, '--max-time', '60', url]
    const child = spawn('curl', args, { stdio: ['ignore', 'pipe', 'ignore'] })
    t.after(() => child.kill('SIGKILL'))
    child.stdout.on('data', begun)
    const [code] = await once(child, 'close')
    return `curl ${code}`
  }

const nodeHttp1: Visit = (_t, server, path, begun) =>
  new Promise(resolve => {
    const options = { host: '127.0.0.1', servername: 'app.localhost', port: server.https, path, agent: false }
    const ca = readFileSync(server.ca)
    httpsRequest({ ...options, ca, headers: { host: 'app.localhost' } }, response => {
      response.on('data', begun)
      response.on('error', error => resolve(`node ${error.message}`))
      response.on('close', () => resolve(response.complete ? 'whole' : 'node cut'))
    })
      .on('error', error => resolve(`node ${error.message}`))
      .end()
  })

const nodeHttp2: Visit = async (t, server, path, begun) => {
  const session = await http2Visitor(t, server)
  const stream = session.request({ ':path': path })
  stream.on('error', () => {})
  stream.on('data', begun)
  await once(stream, 'close').catch(() => {})
  session.destroy()
  return stream.rstCode === 0 && !stream.aborted && stream.readableEnded ? 'whole' : `node ${stream.rstCode}`
}

const VISITS: readonly (readonly [name: string, visit: Visit, expected: readonly string[]])[] = [
  ['Node over HTTP/1.1', nodeHttp1, []],
  ['Node over HTTP/2', nodeHttp2, []],
  ...(hasCurl
    ? ([
        ['curl over HTTP/1.1', curl('--http1.1'), ['curl 18']],
        ['curl over HTTP/2', curl('--http2'), ['curl 92']],
      ] as const)
    : []),
]

const LENGTH = 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf'
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'
const IN_CHUNK = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\nhalf'
const UNTIL_CLOSE = 'HTTP/1.1 200 OK\r\n\r\nhalf'

/** RFC 9113 section 7. */
const INTERNAL_ERROR = 2

const fieldsOf = (path: string): Fields => [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', path],
  [':authority', 'app.localhost'],
]

const END = (socket: Socket) => socket.end()
const RESET = (socket: Socket) => socket.resetAndDestroy()

/** What a target says and does then; a clean end of a body that lasts until the connection's is whole. */
const ENDINGS: readonly (readonly [name: string, answer: string, end: (socket: Socket) => void, isWhole?: true])[] = [
  ['within its length, closed', LENGTH, END],
  ['within its length, reset', LENGTH, RESET],
  ['between chunks, closed', CHUNKED, END],
  ['between chunks, reset', CHUNKED, RESET],
  ['within a chunk, closed', IN_CHUNK, END],
  ['within a chunk, reset', IN_CHUNK, RESET],
  ['without length or chunks, reset', UNTIL_CLOSE, RESET],
  ['without length or chunks, closed', UNTIL_CLOSE, END, true],
]

/** `/<number>` ends as that one of ENDINGS, anything else begins and does not end. */
async function breakingTarget(t: TestContext) {
  return await rawTarget(t, socket => {
    socket.on('end', () => socket.end())
    socket.on('data', chunk => {
      const path = /^GET \/(\S*)/.exec(chunk.toString('latin1'))?.[1] ?? ''
      const ending = ENDINGS[Number(path || Number.NaN)]
      if (ending === undefined) socket.write(path === 'length' ? LENGTH : CHUNKED)
      // The reset comes once the answer has been read: it would overtake it.
      else socket.write(ending[1], () => setImmediate(() => ending[2](socket)))
    })
  })
}

const withoutCurl = hasCurl ? {} : { todo: 'curl with HTTP/2 is not installed: only Node was asked' }

test('C7: curl and Node see an error when the target dies within its answer', withoutCurl, async t => {
  const { server } = await pbt(await breakingTarget(t))
  for (const [index, [name, , , isWhole = false]] of ENDINGS.entries()) {
    for (const [who, visit, expected] of VISITS) {
      const seen = await visit(t, server, `/${index}`, () => {})
      if (isWhole) assert.match(seen, /^(whole|curl 0)$/, `${name}: ${who}`)
      else if (expected.length > 0) assert.ok(expected.includes(seen), `${name}: ${who}: ${seen}`)
      else assert.match(seen, /^node /, `${name}: ${who}`)
    }
  }
})

test('C7: over HTTP/2 an answer that breaks off is reset and never ends, for visitors too who do not count its length', async t => {
  const { server } = await pbt(await breakingTarget(t))
  for (const [index, [name, , , isWhole = false]] of ENDINGS.entries()) {
    for (const hasEnded of [true, false]) {
      const visitor = await frameVisitor(t, server)
      const stream = visitor.open(fieldsOf(`/${index}`), hasEnded)
      const frames = () => visitor.frames.filter(({ stream: of }) => of === stream)
      const isEnd = ({ type, flags }: { type: number; flags: number }) =>
        type === RST_STREAM || ((type === DATA || type === HEADERS) && (flags & END_STREAM) !== 0)
      await visitor.until(() => frames().some(isEnd), `${name}: an end`)
      const ends = frames().filter(isEnd)
      const codes = ends.map(({ type, payload }) => (type === RST_STREAM ? payload.readUInt32BE(0) : 'end'))
      // A whole answer ends; the rest of a request that goes on behind it is not wanted any more.
      if (isWhole) assert.equal(codes[0], 'end', name)
      else assert.deepEqual(codes, [INTERNAL_ERROR], name)
    }
  }
})

/** Every visitor with a download of either framing, begun when this resolves; then how all of them ended. */
async function downloads(t: TestContext, server: RunningServer): Promise<() => Promise<string[]>> {
  const all = VISITS.flatMap(([who, visit]) =>
    ['/length', '/chunked'].map(path => {
      const begun = Promise.withResolvers<void>()
      const seen = visit(t, server, path, begun.resolve).then(end => `${who}, ${path}: ${end}`)
      return { seen, hasBegun: Promise.race([begun.promise, seen]) }
    }),
  )
  await Promise.all(all.map(({ hasBegun }) => hasBegun))
  return () => Promise.all(all.map(({ seen }) => seen))
}

for (const killed of ['client', 'server'] as const) {
  test(`C7: curl and Node see an error when the ${killed} is killed within an answer`, withoutCurl, async t => {
    const port = await breakingTarget(t)
    const server = await startServer(t)
    const home = join(scratch(t), 'client')
    const client = await startTunnel(t, server, port, { domain: 'app', home })
    const ended = await downloads(t, server)
    if (killed === 'client') {
      await client.end('SIGKILL')
      // Its successor ends the session, which would be kept for half a minute.
      await startTunnel(t, server, port, { domain: 'app', home })
    } else await server.program.end('SIGKILL')
    const ends = await ended()
    t.diagnostic(ends.join('; '))
    for (const end of ends) assert.ok(/: node /.test(end) || CURL_CUTS.some(cut => end.endsWith(`: ${cut}`)), end)
  })
}
