import assert from 'node:assert/strict'
import { test } from 'node:test'
import { REPLY_CODES, replyFor } from './replies.ts'

const HTML = { accept: 'text/html,application/xhtml+xml' }

function textFor(code: (typeof REPLY_CODES)[number], options: Parameters<typeof replyFor>[1]): string {
  return replyFor(code, options).body.toString()
}

test('H46: each answer says in two or three sentences whose fault it is, and folds away what is for the owner', () => {
  for (const code of REPLY_CODES) {
    const { title, message, cure } = JSON.parse(textFor(code, { accept: 'application/json' }))
    assert.match(title, /^[A-Z][^.]*$/)
    assert.match(message, /^[A-Z][^.]*\. [A-Z].*\.$/, code)
    const sentences = message.match(/[.!] (?=[A-Z])/g).length + 1
    assert.ok(sentences <= 3, `${code}: ${sentences} sentences`)
    // Whose fault: the visitor's own, or said that it is not.
    assert.match(
      message,
      /This is not your fault|Nothing is wrong|The server works|your network|yours|Your browser/,
      code,
    )
    const [open = '', folded = ''] = textFor(code, HTML).split('<details>')
    assert.ok(open.includes(`<h1>${title}</h1>`), code)
    assert.match(folded, /<summary>If this (server|service) is yours<\/summary>/)
    for (const word of cure.split(' ').slice(0, 3)) assert.ok(folded.includes(word), code)
    for (const text of [open, message, title])
      assert.doesNotMatch(text, /\bpbt\b|tunnel|target|client|edge|relay/i, code)
    const plain = textFor(code, {})
    assert.ok(plain.startsWith(`${title}.\n${message}\n`), plain)
    assert.match(plain, new RegExp(`\n\\(pbt-error: ${code}\\)\n$`))
  }
})

test('H46: what exactly was wrong is a sentence, for the one who can do something about it', () => {
  const wrong = { detail: 'there is more than one Host header' }
  const [open = '', folded = ''] = textFor('bad-request', { ...HTML, ...wrong }).split('<details>')
  assert.match(open, /<p>There is more than one Host header\.<\/p>/)
  assert.doesNotMatch(folded, /Host header/)
  const broke = textFor('target-broke', { ...HTML, detail: 'the body is shorter than its Content-Length' })
  assert.match(broke.split('<details>')[1] ?? '', /<p>The body is shorter than its Content-Length\.<\/p>/)
  assert.match(textFor('bad-request', wrong), /\nThere is more than one Host header\.\n/)
})

test('what comes from outside is escaped, and bounded', () => {
  const page = textFor('unknown-host', { ...HTML, detail: `<script>alert("1")</script>${'x'.repeat(10_000)}` })
  assert.doesNotMatch(page, /<script/)
  assert.ok(page.length < 4_000)
})
