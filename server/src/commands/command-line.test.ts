import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { commandLine } from './command-line.ts'

test('a command line has the flags of the other one, each as it was given', () => {
  const values = {
    config: '/etc/pbt/a.yaml',
    'data-dir': '/srv/x',
    'tls-cert': ['a.pem', 'b.pem'],
    json: true,
    _: ['init'],
  }
  assert.equal(
    commandLine('start', values),
    'pbt-server start --config /etc/pbt/a.yaml --data-dir /srv/x --tls-cert a.pem --tls-cert b.pem',
  )
  assert.equal(commandLine('start', {}), 'pbt-server start')
})

test('a shell reads the words as they were', () => {
  for (const word of ['/with space/x', "it's", '~/data', '$HOME/x', '`id`', 'a"b', '-x', '', 'ü;&|']) {
    const { stdout } = spawnSync(
      '/bin/sh',
      ['-c', commandLine('start', { config: word }).replace('pbt-server start --config', 'printf %s')],
      {
        encoding: 'utf8',
      },
    )
    assert.equal(stdout, word)
  }
})
