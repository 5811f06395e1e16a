// Sessions of the panel at the real server: what a cookie is worth, links that log in once, and how sessions end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LogService, PanelService, ServerService, TokenService } from '@pbt/proto/admin/v1'
import { callApi } from '../support/admin.ts'
import { apiClient } from '../support/api-client.ts'
import { startServer } from '../support/programs.ts'

const LIST = 'TokenService/ListTokens'

test('A8: a session is a cookie for this host alone, new at each login, ended for good, and worth nothing without an origin', async t => {
  const server = await startServer(t)
  const { token } = server
  const page = { origin: `https://admin.localhost:${server.https}`, 'sec-fetch-site': 'same-origin' }
  const fixed = '__Host-pbt=attackers-choice-of-a-session-000000000000000'
  const login = await callApi(t, server, 'PanelService/Login', { token }, { headers: { ...page, cookie: fixed } })
  const set = String(login.headers['set-cookie'])
  assert.match(set, /^__Host-pbt=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=2592000$/)
  const cookie = set.split(';')[0] ?? ''
  const listed = async (headers: Record<string, string>) => (await callApi(t, server, LIST, {}, { headers })).status
  assert.equal(await listed({ ...page, cookie }), 200)
  // Tossed by a neighbour for the whole domain: another name, or the same one twice.
  assert.equal(await listed({ ...page, cookie: `pbt=x; ${cookie}` }), 200)
  assert.equal(await listed({ ...page, cookie: `__Host-pbt=x; ${cookie}` }), 401)
  assert.equal(await listed({ ...page, cookie: fixed }), 401)
  assert.equal(await listed({ cookie }), 401)
  assert.equal(await listed({ ...page, origin: `https://app.localhost:${server.https}`, cookie }), 403)

  const session = await callApi(t, server, 'PanelService/GetSession', {}, { headers: { ...page, cookie } })
  assert.equal((session.json.session as { isYou?: boolean }).isYou, true)
  assert.deepEqual((await callApi(t, server, 'PanelService/GetSession', {}, { headers: page })).json, {})
  const logout = await callApi(t, server, 'PanelService/Logout', {}, { headers: { ...page, cookie } })
  assert.match(String(logout.headers['set-cookie']), /Max-Age=0/)
  assert.equal(await listed({ ...page, cookie }), 401)
})

test('A8: a link logs in once, within its minute; sessions end one by one, all others, and with their token', async t => {
  const server = await startServer(t)
  const { token } = server
  const page = { origin: `https://admin.localhost:${server.https}`, 'sec-fetch-site': 'same-origin' }
  const enter = async (proof: object) => await callApi(t, server, 'PanelService/Login', proof, { headers: page })
  const cookieOf = (answer: { headers: Readonly<Record<string, string>> }) =>
    String(answer.headers['set-cookie']).split(';')[0] ?? ''
  const link = await callApi(t, server, 'PanelService/CreateLoginLink', {}, { token })
  const url = new URL(String(link.json.url))
  assert.equal(`${url.origin}${url.pathname}`, `https://admin.localhost:${server.https}/login`)
  const code = url.hash.slice(1)
  const lasting = await callApi(t, server, 'PanelService/CreateLoginLink', { lifetime: '3600s' }, { token })
  const leftMs = Date.parse(String(lasting.json.endTime)) - Date.now()
  assert.ok(leftMs > 3_500_000 && leftMs <= 3_600_000, String(leftMs))
  for (const lifetime of ['3601s', '0s', '-1s'])
    assert.equal(
      (await callApi(t, server, 'PanelService/CreateLoginLink', { lifetime }, { token })).json.code,
      'invalid_argument',
    )
  const first = cookieOf(await enter({ code }))
  const again = await enter({ code })
  assert.deepEqual([again.status, again.json.message], [401, 'the link has been used or has expired'])
  // A session makes no links: a stolen one must not outlive itself.
  assert.equal(
    (await callApi(t, server, 'PanelService/CreateLoginLink', {}, { headers: { ...page, cookie: first } })).status,
    403,
  )
  const second = cookieOf(await enter({ token }))
  const third = cookieOf(await enter({ token }))
  const statusOf = async (cookie: string) =>
    (await callApi(t, server, LIST, {}, { headers: { ...page, cookie } })).status
  const sessions = (await callApi(t, server, 'PanelService/ListSessions', {}, { headers: { ...page, cookie: first } }))
    .json.sessions as { id: string; isYou?: boolean; isByToken?: boolean }[]
  assert.deepEqual(
    sessions.map(({ isYou, isByToken }) => [isYou ?? false, isByToken ?? false]),
    [
      [false, true],
      [false, true],
      [true, false],
    ],
  )
  const ids = [sessions[1]?.id ?? '']
  assert.equal(
    (await callApi(t, server, 'PanelService/EndSessions', { ids }, { headers: { ...page, cookie: first } })).json.ended,
    1,
  )
  assert.deepEqual([await statusOf(first), await statusOf(second), await statusOf(third)], [200, 401, 200])
  assert.equal(
    (await callApi(t, server, 'PanelService/EndSessions', {}, { headers: { ...page, cookie: first } })).json.ended,
    1,
  )
  assert.deepEqual([await statusOf(first), await statusOf(third)], [200, 401])
  // The session that rotates goes with the new token, and is never without one meanwhile.
  const other = cookieOf(await enter({ token }))
  const headers = { ...page, cookie: first }
  let isRotated = false
  const rotating = callApi(t, server, 'TokenService/RotateToken', {}, { headers }).finally(() => {
    isRotated = true
  })
  const asking = Array.from({ length: 4 }, async () => {
    while (!isRotated) assert.equal(await statusOf(first), 200)
  })
  const [rotated] = await Promise.all([rotating, ...asking])
  assert.deepEqual([await statusOf(first), await statusOf(other)], [200, 401])
  const last = await callApi(t, server, 'TokenService/RotateToken', {}, { token: String(rotated.json.secret) })
  assert.equal(await statusOf(first), 401)
  const old = await enter({ token })
  assert.equal(old.json.message, 'the token has been replaced')
  assert.equal((await enter({ token: String(last.json.secret) })).status, 200)
})

/** Goes on until the stream ends or breaks. */
async function drained(stream: AsyncIterable<unknown>): Promise<void> {
  try {
    for await (const _message of stream);
  } catch {
    // Cut.
  }
}

test('A8: what a session or a token has open ends with it; streams of others go on', async t => {
  const server = await startServer(t)
  const page = { origin: `https://admin.localhost:${server.https}`, 'sec-fetch-site': 'same-origin' }
  const enter = async () => {
    const { headers } = await callApi(t, server, 'PanelService/Login', { token: server.token }, { headers: page })
    return { ...page, cookie: String(headers['set-cookie']).split(';')[0] ?? '' }
  }
  const [mine, other] = [await enter(), await enter()]
  const anybody = apiClient(t, server, ServerService, '')
  const begin = async (headers: Record<string, string>) => {
    const stream = anybody.watch({}, { headers })[Symbol.asyncIterator]()
    assert.equal((await stream.next()).value?.message.case, 'snapshot')
    return stream
  }
  const [kept, ended] = [await begin(mine), await begin(other)]
  const tail = drained(apiClient(t, server, LogService, '').tailRecords({}, { headers: other }))
  await apiClient(t, server, PanelService, '').endSessions({}, { headers: mine })
  await drained({ [Symbol.asyncIterator]: () => ended })
  await tail
  assert.equal((await kept.next()).done, false)

  // The rotating session goes with the new token, and hears of it; what the old token had open ends.
  const old = drained(apiClient(t, server, ServerService).watch({}))
  await apiClient(t, server, TokenService, '').rotateToken({}, { headers: mine })
  await old
  for (;;) {
    const { value, done } = await kept.next()
    assert.notEqual(done, true)
    if (value?.message.case === 'event' && value.message.value.event?.kind === 'token.rotated') break
  }
  await kept.return?.()
})
