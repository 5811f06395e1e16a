// The same flags for Node however a program is started, read from the running process; and signals that were ignored stay so.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { scratch } from '../server/test/support/programs.ts'
import { CLIENT_FLAGS, packagedNode, SERVER_FLAGS } from './launch.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const BIN = join(ROOT, 'node_modules/.bin')
/** Only a failure waits for it. */
const WAIT_MS = 60_000
/** Characters of what a program says that a failure tells. */
const MAX_SAID = 4_000
const PORTS = ['--https-port', '0', '--http-port', '0']

/** The PATH without the packaged Node that npm puts there for scripts, and the Node that is left. */
const OUTSIDE = (process.env.PATH ?? '').split(':').filter(directory => !directory.includes('node_modules'))
const systemNode = OUTSIDE.map(directory => join(directory, 'node')).find(file => existsSync(file))

interface Way {
  readonly name: string
  readonly command: readonly string[]
  /** The directories of the PATH. */
  readonly path: readonly string[]
}

/** A program of another prefix, as `npm install -g` links it. */
function linked(t: TestContext, program: string): string {
  const directory = join(scratch(t), 'bin')
  mkdirSync(directory)
  symlinkSync(join(BIN, program), join(directory, program))
  return join(directory, program)
}

function waysOf(t: TestContext, program: 'pbt' | 'pbt-server'): Way[] {
  const file = join(ROOT, program === 'pbt' ? 'client' : 'server', 'bin', `${program}.js`)
  const packaged = dirname(packagedNode() ?? '')
  const ways: Way[] = [
    { name: 'npx', command: ['npx', program], path: OUTSIDE },
    { name: 'the bin, as npx and npm scripts have the path', command: [join(BIN, program)], path: [BIN, ...OUTSIDE] },
    { name: 'the bin', command: [join(BIN, program)], path: OUTSIDE },
    { name: 'a global link', command: [linked(t, program)], path: OUTSIDE },
    { name: 'the file under the packaged Node', command: [join(packaged, 'node'), file], path: [] },
  ]
  if (systemNode !== undefined)
    ways.push({ name: 'the file under the system Node', command: [systemNode, file], path: [] })
  return ways
}

/** Starts a program that runs until it is ended, and waits until it says this event. */
async function started(t: TestContext, way: Way, args: readonly string[], event: string, env: NodeJS.ProcessEnv) {
  const [command = '', ...before] = way.command
  const child = spawn(command, [...before, ...args, '--json'], {
    cwd: ROOT,
    // A group of its own: npx starts a shell that starts the program.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: [...way.path, '/usr/bin', '/bin'].join(':'), ...env },
  })
  t.after(() => end(child))
  const timer = setTimeout(() => child.kill('SIGKILL'), WAIT_MS)
  let said = ''
  child.stderr.on('data', chunk => {
    said = `${said}${chunk}`.slice(-MAX_SAID)
  })
  for await (const line of createInterface({ input: child.stdout })) {
    said = `${said}${line}\n`.slice(-MAX_SAID)
    if (!line.startsWith('{') || JSON.parse(line).event !== event) continue
    clearTimeout(timer)
    return child
  }
  throw new Error(`${way.name}: ended without "${event}": ${said}`)
}

function end(child: ChildProcess): void {
  try {
    process.kill(-(child.pid ?? 0), 'SIGKILL')
  } catch {
    // It has ended.
  }
}

/** All processes of the child's group whose command is this one's name. */
function pidsOf(child: ChildProcess, title: string): number[] {
  return readdirSync('/proc').flatMap(name => {
    if (!/^\d+$/.test(name)) return []
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const group = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2])
      const isIt = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0')[0] === title
      return group === child.pid && isIt ? [Number(name)] : []
    } catch {
      return []
    }
  })
}

/** Node's flags of a running process, out of its diagnostic report. */
async function flagsOf(pid: number, directory: string): Promise<string[]> {
  process.kill(pid, 'SIGUSR2')
  const deadline = performance.now() + WAIT_MS
  for (;;) {
    const [report] = readdirSync(directory).filter(name => name.includes(`.${pid}.`))
    const header = report === undefined ? undefined : headerIn(join(directory, report))
    if (header !== undefined) {
      return header.commandLine.slice(1).filter(argument => argument.startsWith('--') && argument !== '--json')
    }
    if (performance.now() > deadline) throw new Error('no report')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** Undefined while it is being written: what is there may end with the brace of a part. */
function headerIn(report: string): { commandLine: string[] } | undefined {
  try {
    return JSON.parse(readFileSync(report, 'utf8')).header
  } catch {
    return undefined
  }
}

const hasProc = existsSync('/proc/self/status')

test('pbt-server and pbt run with the same flags however they are started', {
  skip: !hasProc && 'there is no /proc',
}, async t => {
  const dataDir = join(scratch(t), 'data')
  const init = spawnSync(join(BIN, 'pbt-server'), ['init', '--json', '--data-dir', dataDir], { encoding: 'utf8' })
  const { token } = JSON.parse(init.stdout)
  for (const way of waysOf(t, 'pbt-server')) {
    const reports = scratch(t)
    const env = { NODE_OPTIONS: `--report-on-signal --report-directory=${reports}` }
    const server = await started(t, way, ['start', ...PORTS, '--data-dir', dataDir], 'ready', env)
    const [pid = 0, ...more] = pidsOf(server, 'pbt-server')
    assert.deepEqual(more, [], way.name)
    const flags = await flagsOf(pid, reports)
    assert.deepEqual(flags.slice(0, SERVER_FLAGS.length), SERVER_FLAGS, way.name)
    end(server)
    await once(server, 'exit')
  }
  for (const way of waysOf(t, 'pbt')) {
    const reports = scratch(t)
    const env = {
      NODE_OPTIONS: `--report-on-signal --report-directory=${reports}`,
      ...{ PBT_SERVER: 'localhost:1', PBT_TOKEN: token, PBT_HOME: join(scratch(t), 'home') },
    }
    const client = await started(t, way, ['http', '3000'], 'reconnecting', env)
    const [pid = 0, ...more] = pidsOf(client, 'pbt')
    assert.deepEqual(more, [], way.name)
    const flags = await flagsOf(pid, reports)
    assert.deepEqual(flags.slice(0, CLIENT_FLAGS.length), CLIENT_FLAGS, way.name)
    end(client)
    await once(client, 'exit')
  }
})

test('a signal that was ignored when a program began ends it no more than before', {
  skip: !hasProc && 'there is no /proc',
}, async t => {
  // One each: a data directory has one server.
  const dataDirs = ['ignoring', 'usual'].map(name => join(scratch(t), name))
  for (const dataDir of dataDirs) spawnSync(join(BIN, 'pbt-server'), ['init', '--json', '--data-dir', dataDir])
  const programs = [
    {
      title: 'pbt-server',
      args: ['start', ...PORTS, '--data-dir'],
      event: 'ready',
      signals: ['SIGINT', 'SIGTERM'],
    },
    { title: 'pbt', args: ['http'], event: 'reconnecting', signals: ['SIGINT', 'SIGTERM', 'SIGHUP'] },
  ] as const
  const env = { PBT_SERVER: 'localhost:1', PBT_TOKEN: `pbt_${'x'.repeat(43)}`, PBT_HOME: join(scratch(t), 'home') }
  for (const { title, args, event, signals } of programs) {
    for (const signal of signals) {
      const trap = `trap '' ${signal.slice(3)}; exec "$0" "$@"`
      const command = ['/bin/sh', '-c', trap, join(BIN, title)]
      const [one = '', other = ''] = title === 'pbt' ? ['3000', '3001'] : dataDirs
      const ignoring = await started(t, { name: signal, command, path: OUTSIDE }, [...args, one], event, env)
      const usualWay = { name: signal, command: [join(BIN, title)], path: OUTSIDE }
      const usual = await started(t, usualWay, [...args, other], event, env)
      process.kill(usual.pid ?? 0, signal)
      process.kill(ignoring.pid ?? 0, signal)
      await once(usual, 'exit')
      assert.equal(ignoring.exitCode ?? ignoring.signalCode, null, `${title}, ${signal}`)
      end(ignoring)
      await once(ignoring, 'exit')
    }
  }
})

test('a packaged Node that the system has no libraries for is told with the package to install', t => {
  const folder = scratch(t)
  const launch = join(folder, 'launch')
  const bin = join(folder, 'node_modules/.bin')
  for (const each of [launch, bin]) mkdirSync(each, { recursive: true })
  // A system without the library, and the words of its loader.
  const script = readFileSync(join(ROOT, 'launch/start.sh'), 'utf8')
  assert.match(script, /\/usr\/lib\/\*\/libatomic\.so\.1/)
  writeFileSync(join(launch, 'start.sh'), script.replace('/usr/lib/', `${folder}/lib/`))
  writeFileSync(join(launch, 'server.flags'), '--flag')
  const words = 'node: error while loading shared libraries: libatomic.so.1: cannot open shared object file'
  const start = () => spawnSync('sh', [join(launch, 'start.sh'), 'server', 'main', 'init'], { encoding: 'utf8' })

  writeFileSync(join(bin, 'node'), `#!/bin/sh\necho "${words}" >&2; exit 127\n`, { mode: 0o755 })
  const { status, stderr } = start()
  if (process.platform === 'linux') {
    assert.equal(status, 1)
    assert.match(stderr, /does not start: node: error .*libatomic\.so\.1.*\n {2}to do: .*apt-get install libatomic1/)
  }

  // It may lie elsewhere.
  writeFileSync(join(bin, 'node'), '#!/bin/sh\necho "$@"\n', { mode: 0o755 })
  assert.equal(start().stdout, '--flag main init\n')
})

test('a Node that npm has not linked in .bin is found, as npm 9 of Debian 12 leaves it', t => {
  const directory = scratch(t)
  const bin = join(directory, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin')
  cpSync(join(ROOT, 'launch'), join(directory, 'launch'), { recursive: true })
  mkdirSync(bin, { recursive: true })
  symlinkSync(packagedNode() ?? '', join(bin, 'node'))
  const file = join(directory, 'said.mjs')
  writeFileSync(
    file,
    "import { packagedNode } from './launch/launch.js'\nconsole.log(process.version, process.execArgv[0], packagedNode())\n",
  )
  const { stdout, stderr } = spawnSync(join(directory, 'launch/start.sh'), ['client', file], {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin' },
  })
  assert.equal(stdout, `${process.version} ${CLIENT_FLAGS[0]} ${join(bin, 'node')}\n`, stderr)
})
