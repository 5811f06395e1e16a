// tunnels.yaml: every mistake is told with its line and what would be right, and a change leaves what else stands there as it was.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { keyOf, planOf, type TunnelSpec } from '../tunnels/specs.ts'
import type { Change } from '../tunnels/verbs.ts'
import { editTunnels, type Parsed, parseTunnels } from './tunnels-file.ts'

const EXAMPLE = fileURLToPath(new URL('../../../docs/tunnels.example.yaml', import.meta.url))
const parse = (text: string): Parsed => parseTunnels(text, '/etc/pbt')

function entriesOf(text: string) {
  const parsed = parse(text)
  assert.deepEqual(parsed.mistakes, [])
  return parsed.entries
}

/** Each line as `LINE: MESSAGE; CURE`. */
function mistakesOf(text: string): string[] {
  return parse(text).mistakes.map(({ line, message, cure }) => `${line}: ${message}; ${cure}`)
}

const WRONG = `
- http: 3000
  domian: app
- http: 3001
  port: 20022
- tcp: 22
  reserve-port: 99999
- domain: lost
- udp: 51820
  idle-timeout: 5 minutes
- http: 3002
  allow: [203.0.113.0/24, everybody]
- http: 3003
  stopped: maybe
- just words
- tcp: 23
  udp: 23
- http: 70000
- http: 3004
  verify-target: yes please
- http: 3005
  domain: twice
- http: 3006
  domain: TWICE
- tcp: 24
  name:
`

test('a file with mistakes of every kind has all of them named, with line and cure', () => {
  const expected: readonly RegExp[] = [
    /^3: http has no option "domian"; did you mean "domain"\?/,
    /^5: http has no option "port"; it is one of domain, name,|^5: .*reserve-port/,
    /^7: "99999" is not a port that can be reserved; give a number from 1 to 65535/,
    /^8: the tunnel has no target; write for example "http: 3000"/,
    /^10: idle-timeout "5 minutes" cannot be used; give a time from 1s to 24h/,
    /^12: allow "everybody" cannot be used: .*; give addresses or CIDR blocks/,
    /^14: stopped is "maybe"; give true or false/,
    /^15: this is not a tunnel; write a list/,
    /^17: a tunnel has one kind, not tcp and udp; make two tunnels of it/,
    /^18: target "70000" cannot be used: port 70000 is not between 1 and 65535; use 3000/,
    /^20: verify-target is "yes please"; give true or false/,
    /^24: the domain "twice" is given twice, before on line 21; change one of them/,
    /^26: name is empty; give one value/,
  ]
  const found = mistakesOf(WRONG)
  assert.equal(found.length, expected.length, found.join('\n'))
  for (const [index, pattern] of expected.entries()) assert.match(found[index] ?? '', pattern)
})

test('a tunnel with a mistake takes none of the others with it; one that asks for the address of another is the later one', () => {
  const right = parse(WRONG).entries.map(({ spec }) => spec)
  assert.deepEqual(right, [{ kind: 'http', target: '3005', options: { domain: ['twice'] } }])
  assert.equal(parse('- http: 3000\n'.repeat(257)).entries.length, 256)
  assert.deepEqual(parse('- http: 3000\n- tcp: [\n').entries, [], 'what is no YAML has no tunnels')
})

test('text that is no YAML, or no list, is told with its line, and an empty file is a list without tunnels', () => {
  assert.match(mistakesOf('- http: 3000\n  domain: [app\n- tcp: 22\n')[0] ?? '', /^\d: .+; see https:\/\/yaml.org/)
  assert.match(mistakesOf('- http: 3000\n  http: 3001\n')[0] ?? '', /^2: map keys must be unique/)
  assert.match(mistakesOf('http: 3000\n')[0] ?? '', /^1: the file is not a list; write a list/)
  assert.match(mistakesOf('x'.repeat(2 ** 20 + 1))[0] ?? '', /longer/)
  assert.match(mistakesOf('- http: 3000\n'.repeat(257))[0] ?? '', /^257: 257 tunnels are more than the 256/)
  for (const text of ['', '# nothing yet\n', '[]', '---\n']) assert.deepEqual(entriesOf(text), [])
})

test('a wildcard without quotes is an alias to YAML: told with its line and the quotes, and so are aliases that stand for too much', () => {
  const text = '- http: 3000\n- http: 3001\n  domain:\n    - app\n    - *.mine.uk\n- *default\n'
  assert.deepEqual(mistakesOf(text), [
    '5: *.mine.uk is an alias in YAML, and nothing has that name; put it in quotes: "*.mine.uk"',
    '6: *default is an alias in YAML, and nothing has that name; put it in quotes: "*default"',
  ])
  assert.equal(parse(text).entries.length, 1)
  const shared = '- http: 3000\n  allow: &office [203.0.113.0/24]\n- http: 3001\n  allow: *office\n'
  assert.deepEqual(entriesOf(shared)[1]?.spec.options, { allow: ['203.0.113.0/24'] })
  const tens = (name: string) => `[${Array(10).fill(name)}]`
  const bomb = `- &a ${tens('x')}\n- &b ${tens('*a')}\n- &c ${tens('*b')}\n- http: 3000\n  allow: ${tens('*c')}\n`
  assert.match(mistakesOf(bomb).at(-1) ?? '', /^4: its aliases stand for more than a tunnel has; write it out/)
})

test('a mark that editors begin a file with is no mistake, and goes with the first change', () => {
  const text = '\ufeff- http: 3000\n'
  assert.equal(entriesOf(text).length, 1)
  const entry = { spec: { kind: 'tcp' as const, target: '22', options: {} }, isStopped: false }
  assert.equal(entriesOf(editTunnels(text, { kind: 'add', entry })).length, 2)
})

test('the example is right, and its options are those of the command line', () => {
  const entries = entriesOf(readFileSync(EXAMPLE, 'utf8'))
  assert.ok(entries.length >= 4)
  for (const { spec } of entries) assert.ok(planOf(spec))
  const used = new Set(entries.flatMap(({ spec }) => [spec.kind, ...Object.keys(spec.options)]))
  for (const name of ['http', 'tcp', 'udp', 'domain', 'reserve-port', 'allow', 'idle-timeout'])
    assert.ok(used.has(name), name)
  assert.ok(entries.some(({ isStopped }) => isStopped))
})

test('a path in the file begins at the file', () => {
  const parsed = parse('- http: https://nas.lan\n  target-ca: nas.pem\n')
  assert.match(parsed.mistakes[0]?.message ?? '', /"\/etc\/pbt\/nas.pem" cannot be read/)
})

const BY_HAND = `# my tunnels
- http: 3000 # the blog
  domain: app
  # only my office
  allow: 203.0.113.0/24

# ssh
- tcp: 22
  reserve-port: 20022
`

test('tunnels are added, changed, stopped and removed with comments and order kept', () => {
  const [app, ssh] = entriesOf(BY_HAND)
  assert.ok(app !== undefined && ssh !== undefined)
  const dns: TunnelSpec = { kind: 'udp', target: '53', options: { allow: ['203.0.113.7', '2001:db8::/32'] } }
  const steps: readonly (readonly [Change, RegExp])[] = [
    [{ kind: 'add', entry: { spec: dns, isStopped: false } }, /- udp: 53\n {2}allow:\n {4}- 203.0.113.7\n/],
    [{ kind: 'replace', at: 0, entry: { spec: app.spec, isStopped: true } }, /stopped: true/],
    [{ kind: 'replace', at: 1, entry: { spec: { ...ssh.spec, target: '2222' }, isStopped: false } }, /- tcp: 2222\n/],
  ]
  let text = BY_HAND
  for (const [change, pattern] of steps) {
    text = editTunnels(text, change)
    assert.match(text, pattern)
    for (const comment of ['# my tunnels', '# the blog', '# only my office', '# ssh'])
      assert.ok(text.includes(comment), text)
    const entry = change.kind === 'remove' ? undefined : change.entry
    const at = change.kind === 'replace' ? change.at : 2
    const now = entriesOf(text)[at]
    assert.deepEqual([now && keyOf(now.spec), now?.isStopped], [entry && keyOf(entry.spec), entry?.isStopped])
  }
  text = editTunnels(text, { kind: 'remove', at: 1 })
  assert.deepEqual(
    entriesOf(text).map(({ spec, isStopped }) => [spec.kind, isStopped]),
    [
      ['http', true],
      ['udp', false],
    ],
  )
  text = editTunnels(text, { kind: 'replace', at: 0, entry: app })
  assert.ok(!text.includes('stopped'), text)
  // An empty file gets a list, and words about it.
  const begun = editTunnels('', { kind: 'add', entry: app })
  assert.match(begun, /^# Tunnels that "pbt daemon" keeps up[\s\S]*\n- http: 3000\n/)
  assert.deepEqual(entriesOf(begun), [app])
})
