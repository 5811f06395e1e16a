// Metrics as an operator gets them: scraped by Prometheus, sent by OTLP, with real values.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { DURATION_METRIC, METRICS } from '../../src/observe/metrics.ts'
import { lastingPort } from '../support/ports.ts'
import { startPbt } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { rawRequest } from '../support/visitors.ts'

/** Only a failure waits for it. */
const WAIT_MS = 30_000
const REQUEST = 'GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n'

test('Prometheus scrapes every metric, with the values of what happened', async t => {
  const target = await httpTarget(t, (request, response) => {
    request.resume()
    response.writeHead(request.url === '/' ? 200 : 500).end('hello')
  })
  const port = await lastingPort()
  const { server } = await startPbt(t, target, { serverArgs: ['--metrics-port', String(port)] })
  for (let count = 0; count < 3; count++) await rawRequest(t, server, REQUEST)
  await rawRequest(t, server, REQUEST.replace('/ ', '/bad '))
  await rawRequest(t, server, REQUEST.replace('app', 'nobody'))
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  for (const { name } of [...METRICS, DURATION_METRIC]) {
    assert.match(text, new RegExp(`^# TYPE ${name.replaceAll('.', '_')}`, 'm'), name)
  }
  const value = (pattern: RegExp) => Number(pattern.exec(text)?.[1])
  assert.equal(value(/^pbt_requests_total\{tunnel="app".*\} (\d+)/m), 4, text)
  assert.equal(value(/^pbt_responses_total\{tunnel="app",status="2xx".*\} (\d+)/m), 3)
  assert.equal(value(/^pbt_responses_total\{tunnel="app",status="5xx".*\} (\d+)/m), 1)
  assert.equal(value(/^pbt_refused_total\{tunnel="".*\} (\d+)/m), 1)
  assert.equal(value(/^pbt_visitor_bytes_out_total\{tunnel="app".*\} (\d+)/m), 20)
  assert.equal(value(/^pbt_sessions(?:\{.*\})? (\d+)/m), 1)
  assert.equal(value(/^pbt_tunnels(?:\{.*\})? (\d+)/m), 1)
  assert.ok(value(/^pbt_link_bytes_sent(?:_bytes)?_total(?:\{.*\})? (\d+)/m) > 0)
  const days = value(/^pbt_certificate_lifetime\w*\{name="[a-z.]*localhost".*\} ([\d.]+)/m)
  assert.ok(days > 390 && days <= 397, `${days} days`)
  assert.equal(value(/^pbt_request_duration\w*_count(?:\{.*\})? (\d+)/m), 4)
})

test('a collector is sent the metrics, again and again', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('hello'))
  let sent = 0
  const bodies: Buffer[] = []
  const collector = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      if (request.method === 'POST' && request.url === '/v1/metrics') sent++
      bodies.push(Buffer.concat(chunks))
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
    })
  }).listen(0, '127.0.0.1')
  t.after(() => {
    collector.closeAllConnections()
    collector.close()
  })
  await once(collector, 'listening')
  const { port } = collector.address() as AddressInfo
  const { server } = await startPbt(t, target, {
    serverArgs: ['--otlp-endpoint', `http://127.0.0.1:${port}/v1/metrics`, '--otlp-interval-seconds', '1'],
  })
  await rawRequest(t, server, REQUEST)
  const deadline = AbortSignal.timeout(WAIT_MS)
  const before = sent
  while (sent < before + 2) await once(collector, 'request', { signal: deadline })
  const text = bodies.at(-1)?.toString('latin1') ?? ''
  assert.ok(text.includes('pbt-server') && text.includes(DURATION_METRIC.name))
  for (const { name } of METRICS) assert.ok(text.includes(name), name)
})

test('nothing listens and nothing is sent unless it is asked for', async t => {
  const target = await httpTarget(t, (_request, response) => response.end('hello'))
  const port = await lastingPort()
  await startPbt(t, target)
  await assert.rejects(fetch(`http://127.0.0.1:${port}/metrics`))
})
