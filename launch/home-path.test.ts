// Paths as people write them.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { expandHome, homeDirectory, xdgDirectory } from './home-path.ts'

test('~ and ~/ are the home directory, and nothing else changes', () => {
  assert.deepEqual(
    ['~', '~/', '~/a/b', './~/a', '/~/a', 'a~', '', '~ada', '~ada/x'].map(path => expandHome(path, '/home/ada')),
    ['/home/ada', '/home/ada', '/home/ada/a/b', './~/a', '/~/a', 'a~', '', undefined, undefined],
  )
})

test('no path is left that would be a directory called ~', () => {
  fc.assert(
    fc.property(fc.string(), rest => {
      const expanded = expandHome(`~${rest}`, '/home/ada')
      assert.ok(expanded === undefined || expanded.startsWith('/home/ada') || rest.startsWith('/..'))
      assert.equal(expandHome(`/${rest}`, '/home/ada'), `/${rest}`)
    }),
  )
})

test('a directory of the XDG specification may begin with ~, and a relative one is ignored', () => {
  assert.deepEqual(
    [undefined, '', 'relative', '/c', '~/c', '~ada'].map(value => xdgDirectory(value, '/home/ada', '.config')),
    ['.config', '.config', '.config', undefined, 'c', '.config'].map(name => (name ? join('/home/ada', name) : '/c')),
  )
})

test('a home that is set to nothing is the one that the system knows', () => {
  assert.equal(homeDirectory({ HOME: '/h' }), '/h')
  assert.equal(homeDirectory({ HOME: '' }), homeDirectory({}))
  assert.match(homeDirectory({}), /^\//)
})
