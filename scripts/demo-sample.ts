// The sample service behind the demonstration's tunnel: what it got, a clock that ticks, bytes to download.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const TICK_MS = 1_000

/** Starts it on a free port of this machine. */
export async function startSample(): Promise<{ port: number }> {
  const server = createServer((request, response) => {
    if (request.url === '/events') events(response)
    else if (request.url === '/') page(request, response)
    else response.writeHead(404, { 'content-type': 'text/plain' }).end('nothing here; try / or /events\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port }
}

function events(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  const tick = () => response.write(`data: ${new Date().toISOString()}\n\n`)
  tick()
  const timer = setInterval(tick, TICK_MS)
  response.once('close', () => clearInterval(timer))
}

function page(request: IncomingMessage, response: ServerResponse): void {
  const rows = Object.entries(request.headers)
    .map(([name, value]) => `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(String(value))}</td></tr>`)
    .join('\n')
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>pbt</title>
<style>
:root { color-scheme: light dark }
body { font: 17px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 10vh auto; padding: 0 1.5rem }
th { text-align: left; padding-right: 1rem; vertical-align: top; font-weight: 600 } td { overflow-wrap: anywhere }
table { font-size: .9rem } output { font-variant-numeric: tabular-nums }
</style>
<h1>It works</h1>
<p>This page comes from a service on this machine, through the tunnel. Its time, live: <output>…</output></p>
<table>${rows}</table>
<script>new EventSource('/events').onmessage = event => { document.querySelector('output').value = event.data }</script>
</html>
`)
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
