// Addresses that the owner gives to tunnels, and takes back, with real sessions.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionFrame } from '@pbt/proto'
import { house } from './testing/session-house.ts'

const NOBODY = { affinity: undefined, isExpected: false }

/** The URLs that the client was told last of the tunnel with this number. */
function urlsOf(heard: readonly SessionFrame[], tunnel: number): string[] {
  const told = heard.findLast(frame => frame.case === 'tunnelOpened' && frame.value.tunnel === tunnel)
  return told?.case === 'tunnelOpened' ? [...told.value.urls] : []
}

test('a tunnel that is online serves at once at an address that the owner gives it, its client shows it, and it is taken back', async () => {
  const { kept, reload, state, registry, join } = house()
  const { connect, open, heard, settle } = join()
  connect()
  await open(1)
  kept.set('shop', { ...NOBODY, address: 'shop', tunnel: 'app', isMapped: true })
  await reload()
  await settle()
  assert.equal(state('shop.localhost'), 'online')
  assert.deepEqual(urlsOf(heard, 1), ['https://app.localhost', 'https://shop.localhost'])
  // After a restart its client is awaited there too.
  assert.deepEqual([kept.get('shop')?.isExpected, kept.get('shop')?.isMapped], [true, true])
  await reload()
  const before = heard.length
  kept.set('shop', { ...NOBODY, address: 'shop', tunnel: '', isMapped: false })
  await reload()
  await settle()
  assert.deepEqual([state('shop.localhost'), heard.length], ['offline', before + 1])
  assert.deepEqual(urlsOf(heard, 1), ['https://app.localhost'])
  assert.equal(registry.lookup('app.localhost').state, 'online')
})

test('a tunnel that held what the owner gives to another loses it with words, and the other has it, now or later', async () => {
  const { kept, reload, state, join } = house()
  const { connect, open, closeTunnel, heard, settle } = join()
  connect()
  await open(1, { domains: ['app'] })
  await open(2, { domains: ['blog', 'news'], target: '4000' })
  const news = kept.get('news')
  assert.ok(news !== undefined)
  kept.set('news', { ...news, tunnel: 'app', isMapped: true })
  await reload()
  await settle()
  assert.deepEqual(
    [urlsOf(heard, 1), urlsOf(heard, 2)],
    [['https://app.localhost', 'https://news.localhost'], ['https://blog.localhost']],
  )
  // The last one that it had.
  const blog = kept.get('blog')
  assert.ok(blog !== undefined)
  kept.set('blog', { ...blog, tunnel: 'app', isMapped: true })
  await reload()
  await settle()
  const closed = heard.find(({ case: name }) => name === 'tunnelClosed')
  assert.ok(closed?.case === 'tunnelClosed')
  assert.equal(closed.value.message, 'the owner gave the address blog to "app"')
  // All of them again for a tunnel that comes later.
  await closeTunnel(1)
  assert.deepEqual(
    ['app', 'news', 'blog'].map(name => state(`${name}.localhost`)),
    ['offline', 'offline', 'offline'],
  )
  await open(3)
  assert.deepEqual(urlsOf(heard, 3).sort(), [
    'https://app.localhost',
    'https://blog.localhost',
    'https://news.localhost',
  ])
})

test('an address that a tunnel asked for itself stays with it when the owner takes the mapping back', async () => {
  const { kept, reload, state, join } = house()
  const { connect, open, heard, settle } = join()
  connect()
  await open(1)
  const app = kept.get('app')
  assert.ok(app !== undefined)
  kept.set('app', { ...app, isMapped: true })
  await reload()
  kept.set('app', { ...NOBODY, address: 'app', tunnel: '', isMapped: false })
  await reload()
  await settle()
  assert.deepEqual([state(), kept.get('app')?.tunnel, urlsOf(heard, 1)], ['online', 'app', ['https://app.localhost']])
})

test('a target that asks for no name gets again the one that its own tunnel was given', async () => {
  const { kept, reload, join } = house()
  const { connect, open, closeTunnel, heard } = join()
  connect()
  await open(1)
  const app = kept.get('app')
  assert.ok(app !== undefined)
  kept.set('app', { ...app, isMapped: true })
  await reload()
  await closeTunnel(1)
  await open(2, { domains: [] })
  assert.deepEqual(urlsOf(heard, 2), ['https://app.localhost'])
  await closeTunnel(2)
  await open(3, { domains: [], name: 'other' })
  assert.notDeepEqual(urlsOf(heard, 3), ['https://app.localhost'])
})
