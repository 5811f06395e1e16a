// A browser loads a page with 50 assets, talks over a WebSocket and hears events, all through the tunnel.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INSTALL_MS, openBrowser } from '../support/browser.ts'
import { startPbt } from '../support/programs.ts'
import { httpTarget } from '../support/targets.ts'
import { acceptUpgrade, FrameReader, frame } from '../support/websocket.ts'

const ASSETS = 50

const PAGE = `<!doctype html><title>through the tunnel</title>
${Array.from({ length: ASSETS }, (_, index) => `<script src="/asset/${index}.js"></script>`).join('\n')}
<script>
new EventSource('/events').onmessage = event => { window.heard = event.data }
const socket = new WebSocket('wss://' + location.host + '/socket')
socket.binaryType = 'arraybuffer'
socket.onopen = () => socket.send(new Uint8Array([104, 105]))
socket.onmessage = event => { window.echoed = new TextDecoder().decode(event.data) }
</script>`

test('Chromium loads 50 assets, a WebSocket and an event stream', { timeout: INSTALL_MS }, async t => {
  const browser = await openBrowser(t)
  if (browser === undefined) return
  const port = await httpTarget(
    t,
    (request, response) => {
      const asset = /^\/asset\/(\d+)\.js$/.exec(request.url ?? '')
      if (asset !== null) {
        response.writeHead(200, { 'content-type': 'text/javascript' })
        response.end(`(window.loaded ??= []).push(${asset[1]})`)
      } else if (request.url === '/events') {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write('data: news\n\n')
      } else response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE)
    },
    server =>
      server.on('upgrade', (request, socket) => {
        acceptUpgrade(request, socket)
        const reader = new FrameReader()
        socket.on('data', (chunk: Buffer) => {
          // A browser masks with real keys; the payload is two bytes behind a mask of four.
          for (const payload of reader.push(chunk)) {
            const mask = chunk.subarray(2, 6)
            socket.write(frame(Buffer.from(payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0))), false))
          }
        })
      }),
  )
  const { server } = await startPbt(t, port)
  const page = await browser.newPage()
  await page.goto(`https://app.localhost:${server.https}/`)
  await page.waitForFunction('window.heard === "news" && window.echoed === "hi"')
  assert.equal(await page.evaluate('window.loaded.length'), ASSETS)
  assert.equal(await page.title(), 'through the tunnel')
  const protocol = await page.evaluate('performance.getEntriesByType("navigation")[0].nextHopProtocol')
  assert.equal(protocol, 'h2')
})
