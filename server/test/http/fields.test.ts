// Which fields reach a target and which never do: order and octets stay, what only a proxy may say is the edge's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noting } from '../support/noting.ts'
import { sharedPbt } from '../support/shared.ts'
import { httpTarget, rawTarget } from '../support/targets.ts'
import { http2Request, http2Visitor, rawRequest, rawVisitor } from '../support/visitors.ts'

const { pbt } = sharedPbt()

const HOST = 'Host: app.localhost\r\n'

test('B8: the request target and the fields reach the target octet for octet and in order', async t => {
  const { seen, port } = await noting(t)
  const { server } = await pbt(port)
  const path = '/%2F//a/../b;x=1?q=%20&{}|"\'`^<>[]\\'
  const fields = 'X-One: 1\r\nx-two: \xe9\xff\r\nX-One: 3\r\nCookie: a=b\r\nEmpty:\r\n'
  await rawRequest(t, server, `GET ${path} HTTP/1.1\r\n${HOST}${fields}Connection: close\r\n\r\n`)
  assert.equal(seen.text.split('\r\n')[0], `GET ${path} HTTP/1.1`)
  const names = seen.text.split('\r\n').slice(2, 7)
  assert.deepEqual(names, ['X-One: 1', 'x-two: \xe9\xff', 'X-One: 3', 'Cookie: a=b', 'Empty: '])
})

test('B6: what a visitor says of where it comes from is replaced by what the connection says', async t => {
  const { seen, port } = await noting(t)
  const { server } = await pbt(port)
  const spoofed =
    'X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-Forwarded-Proto: gopher\r\n'
  const named =
    'Connection: close, X-Forwarded-For, X-Gone\r\nX-Gone: 1\r\nTE: trailers, deflate\r\nUpgrade-Insecure-Requests: 1\r\n'
  await rawRequest(t, server, `GET / HTTP/1.1\r\n${HOST}${spoofed}${named}\r\n`)
  assert.doesNotMatch(seen.text, /6\.6\.6\.6|gopher|x-gone|deflate/i)
  assert.match(seen.text, /X-Forwarded-For: 127\.0\.0\.1\r\n/)
  assert.match(seen.text, /X-Forwarded-Proto: http\r\nX-Forwarded-Host: app\.localhost\r\nX-Forwarded-Port: \d+\r\n/)
  assert.match(seen.text, /Forwarded: for=127\.0\.0\.1;host="app\.localhost";proto=http\r\n/)
  assert.match(seen.text, /TE: trailers\r\n/)
  assert.equal(seen.text.match(/x-forwarded-for/gi)?.length, 1)
})

test('B6: nobody but a proxy says which certificate a visitor has, however it is spelled', async t => {
  const { seen, port } = await noting(t)
  const { server } = await pbt(port)
  const names = [
    ...['Client-Cert', 'Client-Cert-Chain', 'client_cert', 'Client_Cert_Chain', 'X-Client-Cert', 'X-Client-Verify'],
    ...['X-SSL-Client-Cert', 'X-SSL-Client-Verify', 'X-SSL-Client-S-DN', 'x_ssl_client_verify', 'SSL-Client-Cert'],
    ...['SSL_CLIENT_VERIFY', 'X-TLS-Client-Cert', 'X-Forwarded-Client-Cert', 'X-Forwarded-Tls-Client-Cert-Info'],
    ...[
      'X-ARR-ClientCert',
      'X-Client-DN',
      'X_Real_IP',
      'x-forwarded_for',
      'X_FORWARDED_PROTO',
      'X-Forwarded',
      'forwarded',
    ],
    ...['X-Forwarded-Ssl', 'X-Forwarded-User', 'X-Forwarded-Prefix', 'X-Forwarded-Server', 'PBT-Error'],
  ]
  const spoofed = names.map(name => `${name}: forged\r\n`).join('')
  const kept = [
    'X-Ssl: 1',
    'X-Client: 1',
    'Sec-Fetch-Site: none',
    'TLS: 1',
    'X-Requested-With: XMLHttpRequest',
    'X_Y: 1',
  ]
  await rawRequest(t, server, `GET / HTTP/1.1\r\n${HOST}${spoofed}${kept.join('\r\n')}\r\nConnection: close\r\n\r\n`)
  assert.doesNotMatch(seen.text, /forged/)
  for (const line of kept) assert.ok(seen.text.includes(`\r\n${line}\r\n`), line)
  const before = seen.text.length
  const fields = Object.fromEntries(names.map(name => [name.toLowerCase(), 'forged']))
  assert.equal((await http2Request(await http2Visitor(t, server), fields)).status, 200)
  assert.match(seen.text.slice(before), /X-Real-IP: 127\.0\.0\.1\r\n/)
  assert.doesNotMatch(seen.text, /forged/)
})

test('B6: what only a proxy may say passes neither as field nor as trailer, over HTTP/1.1, HTTP/2 and in upgrades', async t => {
  let seen: { fields: string[]; trailers: string[] } | undefined
  const target = await httpTarget(t, (request, response) => {
    request.resume()
    request.on('end', () => {
      seen = { fields: request.rawHeaders, trailers: request.rawTrailers }
      response.end('ok')
    })
  })
  const { server } = await pbt(target)
  const forged = [
    ...['X-Forwarded-For', 'X_Forwarded_Proto', 'x_real_ip', 'X.Real.IP', 'SSL_CLIENT_CERT', 'Client-Cert', 'Proxy'],
    ...[
      'X-Client-IP',
      'x_client_ip',
      'Client-IP',
      'True-Client-IP',
      'X-Cluster-Client-IP',
      'CF-Connecting-IP',
      'PROXY',
    ],
    ...['Remote-User', 'REMOTE_USER', 'X-Remote-User', 'X_Remote_Groups', 'X-Auth-Request-Email', 'X-Original-URL'],
    ...[
      'X_Original_URL',
      'X-Rewrite-URL',
      'x_rewrite_url',
      'X-Original-Host',
      'X-Original-Method',
      'X-Host',
      'SCRIPT_NAME',
    ],
    ...['PATH_INFO', 'X-Accel-Mapping', 'X-Sendfile-Type', 'Content_Length', 'Transfer_Encoding', 'PBT_Error'],
  ]
  const kept = ['X-HTTP-Method-Override', 'X-Request-ID', 'X-Sum']
  const lines = [...forged.map(name => `${name}: forged`), ...kept.map(name => `${name}: kept`), ''].join('\r\n')
  const check = (what: string, asFields: boolean, asTrailers: boolean) => {
    assert.ok(seen !== undefined, what)
    assert.doesNotMatch(JSON.stringify(seen), /forged/, what)
    for (const name of kept) {
      const has = (raw: string[]) => raw.some(each => each.toLowerCase() === name.toLowerCase())
      assert.deepEqual([has(seen.fields), has(seen.trailers)], [asFields, asTrailers], `${what}: ${name}`)
    }
    seen = undefined
  }
  const head = `${HOST}Connection: close`
  await rawRequest(t, server, `GET / HTTP/1.1\r\n${head}\r\n${lines}\r\n`)
  check('fields', true, false)
  const chunked = `Transfer-Encoding: chunked\r\nTrailer: X-Forwarded-For\r\n\r\n2\r\nhi\r\n0\r\n`
  await rawRequest(t, server, `POST / HTTP/1.1\r\n${head}\r\n${chunked}${lines}\r\n`)
  check('trailers', false, true)
  await rawRequest(t, server, `GET / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: x\r\n${lines}\r\n`)
  check('an upgrade', true, false)
  const valued = (names: string[], value: string) => names.map(name => [name.toLowerCase(), value] as const)
  const all = Object.fromEntries([...valued(forged, 'forged'), ...valued(kept, 'kept')])
  await http2Request(await http2Visitor(t, server), { ':method': 'POST', ...all }, Buffer.from('hi'), all)
  check('HTTP/2', true, true)
})

test('B7: an upgrade to h2c is an ordinary request for the target, and no HTTP/2 of a visitor reaches it', async t => {
  const { seen, port } = await noting(t)
  const { server } = await pbt(port)
  for (const upgrade of ['h2c', 'H2C', 'websocket, h2c', 'h2c, websocket', 'h2c,']) {
    for (const connection of [
      'Upgrade, HTTP2-Settings',
      'upgrade',
      'HTTP2-Settings',
      'close, Upgrade, HTTP2-Settings',
    ]) {
      seen.text = ''
      const visitor = await rawVisitor(t, server)
      const fields = `Connection: ${connection}\r\nUpgrade: ${upgrade}\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n`
      visitor.send(`GET / HTTP/1.1\r\n${HOST}${fields}\r\n`)
      await visitor.until(/^HTTP\/1\.1 200 OK[\s\S]*ok$/)
      assert.doesNotMatch(seen.text, /upgrade|h2c|http2-settings/i, `${upgrade} ${connection}`)
      visitor.socket.destroy()
    }
  }
  seen.text = ''
  assert.match(await rawRequest(t, server, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), /^HTTP\/1\.1 400 /)
  assert.equal(seen.text, '')
})

test('B8, B9: 50 KB of headers and two Set-Cookie pass', async t => {
  const big = `x: ${'y'.repeat(50_000)}`
  const port = await rawTarget(t, socket => {
    let text = ''
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      if (!text.includes('\r\n\r\n')) return
      const isWhole = text.includes(big)
      text = ''
      socket.write(
        `HTTP/1.1 200 OK\r\nset-cookie: a=1\r\n${big}\r\nset-cookie: b=2\r\ncontent-length: 4\r\n\r\n${isWhole}`,
      )
    })
  })
  const { server } = await pbt(port)
  const answer = await rawRequest(t, server, `GET / HTTP/1.1\r\n${HOST}${big}\r\nConnection: close\r\n\r\n`)
  assert.match(answer, /set-cookie: a=1\r\nx: y+\r\nset-cookie: b=2\r\n/)
  assert.match(answer, /\r\n\r\ntrue$/)
})
