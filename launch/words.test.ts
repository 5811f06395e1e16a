import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wrapWords } from './words.ts'

test('a line is broken between words, and goes on a little deeper', () => {
  const text =
    'pbt: error: the certificate of link.localhost:18443 is not trusted\n  to do: give the authority of the server'
  assert.equal(
    wrapWords(text, 40),
    [
      'pbt: error: the certificate of',
      '  link.localhost:18443 is not trusted',
      '  to do: give the authority of the',
      '    server',
    ].join('\n'),
  )
})

test('a quoted command, an address and a token stay whole', () => {
  const command = 'ssh has ended; run ("pbt-server tunnel start ssh")'
  assert.equal(wrapWords(command, 32), 'ssh has ended; run\n  ("pbt-server tunnel start ssh")')
  const example = 'pbt tunnel remove needs a name, for example: pbt tunnel remove app (usage)'
  assert.equal(wrapWords(example, 60), 'pbt tunnel remove needs a name, for example:\n  pbt tunnel remove app (usage)')
  const long = `see https://${'a'.repeat(50)}.example.com now`
  assert.equal(wrapWords(long, 40), `see\n  https://${'a'.repeat(50)}.example.com\n  now`)
  for (const line of [
    `  pbt init TOKEN --server ${'a'.repeat(40)}`,
    `Next: pbt-server start --data-dir /${'a'.repeat(30)}`,
  ]) {
    assert.equal(wrapWords(line, 40), line)
  }
})

test('columns go on below themselves where that leaves room', () => {
  const line = 'ok  name  the server is on this machine and answers'
  assert.equal(wrapWords(line, 30), 'ok  name  the server is on\n          this machine and\n          answers')
  assert.equal(wrapWords('failed      tunnel      it is not served', 30), 'failed      tunnel      it is\n  not served')
})

test('without a terminal, or in one too narrow, nothing is broken', () => {
  const text = 'a '.repeat(100)
  assert.equal(wrapWords(text, undefined), text)
  assert.equal(wrapWords(text, 5), text)
})
