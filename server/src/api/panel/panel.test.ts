// The exported panel as a browser gets it: policies, caching, compression, and nothing but what is in the folder.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { brotliCompressSync, brotliDecompressSync, gzipSync } from 'node:zlib'
import { Panel } from './panel.ts'
import { pagePolicy } from './policy.ts'

const SILENT = { info() {}, warn() {}, error() {}, debug() {}, child: () => SILENT }

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Buffer
}

function write(folder: string, files: Readonly<Record<string, string | Buffer>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
}

/** A panel over a folder that the test fills; `tick` lets it look again. */
async function panelAt(t: TestContext) {
  const parent = mkdtempSync(join(tmpdir(), 'pbt-panel-'))
  t.after(() => rmSync(parent, { recursive: true, force: true }))
  const path = join(parent, 'out')
  const lock = join(parent, '.building')
  let now = 0
  const panel = new Panel({
    folder: { path, lock, cure: 'run "npm run panel" in the checkout' },
    now: () => now,
    log: SILENT as never,
  })
  const server = createServer((request, response) => void panel.answer(request, response))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const get = async (target: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> => {
    const asked = request({ port, host: '127.0.0.1', path: target, method, headers, agent: false }).end()
    const [response] = await once(asked, 'response')
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk)
    return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }
  }
  return { parent, path, lock, panel, get, tick: () => (now += 1_000) }
}

const INDEX =
  '<!doctype html><script src="/_next/static/a.js" async></script><script>one()</script><script>two()</script>'
const EXPORT = {
  'index.html': INDEX,
  'domains.html': '<p>domains',
  '404.html': '<p>not here',
  'domains.txt': 'payload',
  '__next.domains/__PAGE__.txt': 'segment',
  '_next/static/a.js': 'console.log(1)',
  '_next/static/a.js.br': brotliCompressSync('console.log(1)'),
  '_next/static/a.js.gz': gzipSync('console.log(1)'),
  'notes.md': 'not of the panel',
  '.sources': 'one\n',
}

test('a page names the hash of each of its own scripts, and no other may run', async t => {
  const { path, get } = await panelAt(t)
  write(path, EXPORT)
  const { status, headers, body } = await get('/')
  assert.deepEqual([status, body.toString()], [200, INDEX])
  const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
  assert.match(String(headers['content-security-policy']), /^default-src 'none'; .*frame-ancestors 'none'/)
  assert.ok(String(headers['content-security-policy']).includes(`script-src 'self' ${hash('one()')} ${hash('two()')};`))
  assert.ok(!pagePolicy(INDEX).includes('unsafe'))
  assert.equal(headers['cache-control'], 'no-cache')
})

test('pages and payloads are asked for again and answered with 304, scripts are kept for a year', async t => {
  const { path, get } = await panelAt(t)
  write(path, EXPORT)
  for (const target of ['/domains', '/domains.txt', '/domains?_rsc=1', '/__next.domains/__PAGE__.txt']) {
    const { status, headers } = await get(target)
    assert.deepEqual([status, headers['cache-control']], [200, 'no-cache'], target)
    const again = await get(target, { 'if-none-match': `W/"x", ${headers.etag}` })
    assert.deepEqual([again.status, again.body.length, again.headers.etag], [304, 0, headers.etag], target)
    assert.equal((await get(target, { 'if-none-match': '"other"' })).status, 200)
  }
  assert.equal((await get('/domains')).headers['content-type'], 'text/html; charset=utf-8')
  const script = await get('/_next/static/a.js')
  assert.equal(script.headers['cache-control'], 'public, max-age=31536000, immutable')
  assert.equal(script.headers['content-type'], 'text/javascript; charset=utf-8')
})

test('what was compressed at build is sent to who takes it, with a tag of its own', async t => {
  const { path, get } = await panelAt(t)
  write(path, EXPORT)
  const as = async (accepted: string) => await get('/_next/static/a.js', { 'accept-encoding': accepted })
  const br = await as('gzip, deflate, br;q=0.9, zstd')
  assert.equal(br.headers['content-encoding'], 'br')
  assert.equal(brotliDecompressSync(br.body).toString(), 'console.log(1)')
  assert.equal((await as('gzip, br;q=0')).headers['content-encoding'], 'gzip')
  for (const plain of ['', 'identity', 'br;q=0.0', 'zstd', 'brr', ','.repeat(300)]) {
    const { headers, body } = await as(plain)
    assert.deepEqual([headers['content-encoding'], body.toString()], [undefined, 'console.log(1)'], plain)
    assert.equal(headers.vary, 'accept-encoding')
    assert.notEqual(headers.etag, br.headers.etag)
  }
  const head = await get('/_next/static/a.js', { 'accept-encoding': 'br' }, 'HEAD')
  assert.deepEqual([head.status, head.body.length], [200, 0])
  assert.equal(Number(head.headers['content-length']), br.body.length)
  assert.equal((await get('/domains', { 'accept-encoding': 'br' })).headers['content-encoding'], undefined)
})

test('no path leads out of the folder or to what is not of the panel', async t => {
  const { parent, path, get } = await panelAt(t)
  write(path, EXPORT)
  write(parent, { 'secret.txt': 'secret', 'secret.html': 'secret' })
  const targets = [
    '/../secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e/secret',
    '/%2e%2e%2fsecret.txt',
    '/..%5csecret.txt',
    '/_next/../../secret.txt',
    '/_next/static/..%2f..%2f..%2fsecret.txt',
    '//secret.txt',
    '///../secret',
    `/${parent}/secret.txt`,
    `/${encodeURIComponent(join(parent, 'secret.txt'))}`,
    '/%00',
    '/domains%00.html',
    '/domains/',
    '/domains.html/..',
    '/./domains',
    '/%',
    '/%zz',
    '/%c0%ae%c0%ae/secret.txt',
    '/.sources',
    '/notes.md',
    '/__proto__',
    '/constructor',
    '/_next/static/a.js.br',
    '/_next/static/',
    '/_next/static/gone.js',
    'http://x/../secret.txt',
    '*',
    `/${'../'.repeat(2_000)}secret.txt`,
  ]
  for (const target of targets) {
    const { status, body } = await get(target)
    assert.deepEqual([status, body.includes('secret')], [404, false], target.slice(0, 60))
  }
  assert.match((await get('/nowhere')).body.toString(), /not here/)
  assert.match((await get('/_next/static/gone.js')).body.toString(), /no such file/)
  assert.match((await get('/gone.txt')).body.toString(), /no such file/)
})

test('before there is a panel a page says so and asks again by itself; a new build is seen, a torn one is not', async t => {
  const { parent, path, lock, panel, get, tick } = await panelAt(t)
  const html = { accept: 'text/html' }
  const none = await get('/logs', html)
  assert.equal(none.status, 503)
  assert.match(none.body.toString(), /http-equiv="refresh"[\s\S]*<code>npm run panel<\/code>/)
  assert.match(String(none.headers['content-security-policy']), /style-src 'sha256-/)
  write(parent, { '.building': '1' })
  assert.match((await get('/', html)).body.toString(), /being built/)
  assert.doesNotMatch((await get('/a.js')).body.toString(), /</)
  rmSync(lock)
  write(path, EXPORT)
  // Not yet: it looks once a second.
  assert.equal((await get('/', html)).status, 503)
  tick()
  assert.equal((await get('/', html)).status, 200)
  assert.equal(panel.build, 'one')
  renameSync(path, join(parent, 'old'))
  tick()
  assert.equal((await get('/', html)).status, 200)
  write(path, { 'index.html': 'new', '.sources': 'two' })
  tick()
  assert.deepEqual([(await get('/')).body.toString(), panel.build], ['new', 'two'])
})
