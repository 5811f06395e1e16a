// What a browser sees where a panel should be: that it is being built, or how to get one. The page asks again by itself.
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import type { PanelFolder } from '../../process/panel-folder.ts'
import { answerText, type Request, type Response } from '../refusal.ts'

/** After how many seconds the page asks again. */
const AGAIN_SECONDS = 2
/** The design's tokens, as far as they are needed here. */
const STYLE = `:root{color-scheme:light dark}
body{margin:0;min-height:100vh;display:grid;place-content:center;gap:12px;padding:16px;box-sizing:border-box;
font:16px/24px -apple-system,"Segoe UI Variable Text","Segoe UI",Roboto,"Noto Sans","Liberation Sans",system-ui,sans-serif;
background:light-dark(#f6f5f2,#131416);color:light-dark(#1d1c1a,#eceae6)}
h1{margin:0;font-size:20px;line-height:28px;font-weight:600}
p{margin:0;color:light-dark(#5d5952,#b0aea8)}
code{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}`
const POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'`

/** Answers for every path. */
export function noPanel({ lock, cure }: PanelFolder, request: Request, response: Response): void {
  const isBuilt = existsSync(lock)
  const words = isBuilt ? 'The panel is being built, a few seconds more.' : `There is no panel here yet: ${cure}.`
  const headers = { 'retry-after': String(AGAIN_SECONDS), 'cache-control': 'no-store' }
  if (!String(request.headers.accept ?? '').includes('text/html')) {
    answerText(response, 503, words, headers)
    return
  }
  const text = words.replace(/"([^"]+)"/, '<code>$1</code>')
  answerText(response, 503, page(isBuilt ? 'The panel is being built' : 'No panel yet', text), {
    ...headers,
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': POLICY,
  })
}

function page(title: string, text: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="${AGAIN_SECONDS}">
<title>${title} · pbt</title>
<style>${STYLE}</style>
<main>
<h1>pbt</h1>
<p>${text}</p>
</main>`
}
