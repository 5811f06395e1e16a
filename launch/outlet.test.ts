// A program that writes without end, and readers who do not read: it goes on at its pace, keeps little, and counts.
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { scratch } from '../server/test/support/programs.ts'
import { MAX_WAITING_BYTES } from './outlet.ts'

/** Writes `LINES` lines as told, telling every tick of its loop and its counts to descriptor 3; on SIGTERM it ends in order. */
const WRITER = `
import { writeSync } from 'node:fs'
import { Outlet } from '${new URL('./outlet.ts', import.meta.url).href}'
const stream = process.argv[1] === 'stderr' ? process.stderr : process.stdout
const outlet = new Outlet(stream)
outlet.note = lines => \`left out \${lines}\\n\`
let written = 0
let after = 0
const tell = () => writeSync(3, JSON.stringify({ written, after, dropped: outlet.dropped, isClosed: outlet.isClosed, kept: stream.writableLength }) + '\\n')
setInterval(tell, 20)
process.on('SIGTERM', async () => {
  await outlet.leave(500)
  process.exit(outlet.hasLost ? 9 : 0)
})
process.on('SIGUSR2', () => {
  outlet.write('after\\n')
  after++
})
for (;;) {
  for (let count = 0; count < 50; count++) outlet.write(\`\${written++} \${'x'.repeat(200)}\\n\`)
  if (written >= Number(process.argv[2])) break
  await new Promise(resolve => setTimeout(resolve))
}
`

interface Told {
  readonly written: number
  /** Lines written since that signals have asked for. */
  readonly after: number
  readonly dropped: number
  readonly isClosed: boolean
  readonly kept: number
}

const EVENT_MS = 20_000
/** Far more than a reader's buffers and the outlet's bound hold. */
const MANY = 20_000

/** The writer, with its stream as `stdio` has it. */
function writer(t: TestContext, stdio: 'pipe' | number, stream: 'stdout' | 'stderr' = 'stdout', lines = MANY) {
  const [out, error] = stream === 'stdout' ? [stdio, 'ignore' as const] : ['ignore' as const, stdio]
  const args = ['--input-type=module', '--eval', WRITER, stream, String(lines)]
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ['ignore', out, error, 'pipe'] })
  return watched(t, child)
}

function watched(t: TestContext, child: ChildProcess) {
  t.after(() => child.kill('SIGKILL'))
  const told: Told[] = []
  const waiting = new Set<() => void>()
  createInterface({ input: child.stdio[3] as NodeJS.ReadableStream }).on('line', line => {
    told.push(JSON.parse(line) as Told)
    for (const look of waiting) look()
  })
  const until = (fits: (now: Told) => boolean): Promise<Told> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not seen: ${JSON.stringify(told.at(-1))}`)), EVENT_MS)
      const look = () => {
        const now = told.at(-1)
        if (now === undefined || !fits(now)) return
        clearTimeout(timer)
        waiting.delete(look)
        resolve(now)
      }
      waiting.add(look)
      look()
    })
  return { child, until }
}

/** Every line came, or is counted in a line that says so. */
function complete(said: string): void {
  let next = 0
  for (const line of said.trimEnd().split('\n')) {
    const left = /^left out (\d+)$/.exec(line)
    if (left !== null) next += Number(left[1])
    else if (line !== 'after') {
      assert.equal(Number(/^(\d+) x{200}$/.exec(line)?.[1]), next, line.slice(0, 40))
      next++
    }
  }
  assert.equal(next, MANY)
}

for (const stream of ['stdout', 'stderr'] as const) {
  test(`H43: ${stream} that is not read holds nothing up and keeps a bound; a later reader is told what is missing`, async t => {
    const { child, until } = writer(t, 'pipe', stream)
    const now = await until(({ written }) => written === MANY)
    assert.ok(now.dropped > 0 && now.kept < MAX_WAITING_BYTES + 10_000, JSON.stringify(now))
    const reader = child[stream]
    assert.ok(reader !== null)
    const all = text(reader)
    await until(({ kept }) => kept === 0)
    child.kill('SIGUSR2')
    await until(({ after }) => after === 1)
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [0, null])
    const said = await all
    complete(said)
    assert.match(said, /left out \d+\nafter\n$/)
  })

  test(`H43: ${stream} whose reader has gone holds nothing up and ends nothing`, async t => {
    const { child, until } = writer(t, 'pipe', stream)
    child[stream]?.destroy()
    const { isClosed, dropped } = await until(({ written }) => written === MANY)
    assert.deepEqual([isClosed, dropped > 0], [true, true])
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [0, null])
  })

  test(`H43: ${stream} to a full disk holds nothing up and ends nothing`, async t => {
    const { child, until } = writer(t, openSync('/dev/full', 'w'), stream)
    assert.equal((await until(({ written }) => written === MANY)).dropped, MANY)
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [0, null])
  })
}

test('H43: a reader who never reads is not waited for at the end', async t => {
  const { child, until } = writer(t, 'pipe')
  await until(({ written }) => written === MANY)
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [0, null])
})

test('H43: a disk that has room again is written on, with what is missing told and no line cut', async t => {
  let isMounted = false
  // Before what removes the directory.
  t.after(() => isMounted && execFileSync('umount', ['-l', directory]))
  const directory = join(scratch(t), 'disk')
  mkdirSync(directory)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory], { stdio: 'ignore' })
  } catch {
    t.skip('nothing may be mounted here')
    return
  }
  isMounted = true
  const ballast = join(directory, 'ballast')
  writeFileSync(ballast, Buffer.alloc(500_000))
  const file = join(directory, 'log')
  const { child, until } = writer(t, openSync(file, 'a'))
  const { dropped } = await until(({ written }) => written === MANY)
  assert.ok(dropped > 0 && dropped < MANY)
  rmSync(ballast)
  child.kill('SIGUSR2')
  await until(({ after }) => after === 1)
  child.kill('SIGTERM')
  await once(child, 'exit')
  const said = readFileSync(file, 'utf8')
  assert.match(said, new RegExp(`\nleft out ${dropped}\nafter\n$`))
  // The line in which the disk became full stands cut, on a line of its own.
  const cut = said.split('\n').filter(line => !/^(\d+ x{200}|left out \d+|after|)$/.test(line))
  assert.ok(cut.length <= 1, cut.join('|'))
})

test('H43: a terminal that is stopped holds nothing up', async t => {
  if (spawnSync('script', ['--version']).status !== 0) {
    t.skip('script (util-linux) is not installed')
    return
  }
  // What script prints is not read, so that it does not read its terminal either.
  const line = `exec '${process.execPath}' --input-type=module --eval "$WRITER" stdout ${MANY}`
  const child = spawn('script', ['-qefc', line, '/dev/null'], {
    env: { ...process.env, WRITER },
    stdio: ['pipe', 'pipe', 'ignore', 'pipe'],
  })
  const { until } = watched(t, child)
  const now = await until(({ written }) => written === MANY)
  assert.ok(now.dropped > 0 && now.kept < MAX_WAITING_BYTES + 10_000, JSON.stringify(now))
})
