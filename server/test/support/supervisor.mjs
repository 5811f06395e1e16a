// What systemd does with the units of deploy/, as far as they say it: sockets that stay, a user, directories, signals, Restart, what starts at boot. For a machine
// of tests, where no systemd runs. As "systemctl" it hands its arguments to the one that runs as "supervisor".
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import net from 'node:net'

const SOCKET = '/run/supervisor.sock'
const JOURNAL = '/var/log/pbt-server.journal'
const FOLDER = '/etc/systemd/system'
/** What starts at boot. */
const WANTS = `${FOLDER}/multi-user.target.wants`

function ask(args) {
  const socket = net.connect(SOCKET, () => socket.end(JSON.stringify(args)))
  let text = ''
  socket.on('data', chunk => {
    text += chunk
  })
  socket.on('end', () => {
    const { status, said } = JSON.parse(text)
    process.stdout.write(said)
    process.exitCode = status
  })
}

function supervise() {
  process.title = 'systemd'
  const sockets = new Sockets()
  const verbs = verbsOver(sockets, new Service(sockets))
  boot(verbs)
  net
    .createServer({ allowHalfOpen: true }, socket => {
      let text = ''
      socket.on('data', chunk => {
        text += chunk
      })
      socket.on('end', async () => {
        const words = JSON.parse(text)
        const [verb, ...units] = words.filter(word => !word.startsWith('-'))
        const known = verbs[verb]
        const status = known === undefined ? 1 : await known(units, words.includes('--now'))
        socket.end(JSON.stringify({ status, said: known === undefined ? `no verb ${verb}\n` : '' }))
      })
    })
    .listen(SOCKET, () => process.stdout.write('ready\n'))
}

/** Settings of the kernel, rules of the firewall, units. */
function boot(verbs) {
  spawnSync('sh', ['-c', 'sysctl -q -p /etc/sysctl.d/60-pbt-server.conf; nft -f /etc/nftables.conf'], {
    stdio: 'ignore',
  })
  const enabled = existsSync(WANTS) ? readdirSync(WANTS).filter(name => name.startsWith('pbt-server')) : []
  if (enabled.length > 0) void verbs.start(enabled)
}

/** Each takes names of units, and returns the status of its command. */
function verbsOver(sockets, service) {
  const start = async units => {
    if (units.some(isSocket)) sockets.open()
    return units.some(name => !isSocket(name)) ? service.start() : 0
  }
  const stop = async units => {
    if (units.some(isSocket)) sockets.close()
    await service.stop()
    return 0
  }
  return {
    'daemon-reload': async () => 0,
    reload: async () => (service.kill('SIGHUP') ? 0 : 1),
    start,
    stop,
    restart: async () => {
      await service.stop()
      return service.start()
    },
    'is-active': async () => (service.isActive ? 0 : 3),
    // Power is cut: nobody is asked.
    reboot: async () => {
      service.isWanted = false
      service.kill('SIGKILL')
      sockets.close()
      setImmediate(() => process.exit(0))
      return 0
    },
    enable: async (units, isNow) => {
      mkdirSync(WANTS, { recursive: true })
      for (const name of units) {
        rmSync(`${WANTS}/${name}`, { force: true })
        symlinkSync(`${FOLDER}/${name}`, `${WANTS}/${name}`)
      }
      return isNow ? await start(units) : 0
    },
    disable: async (units, isNow) => {
      for (const name of units) rmSync(`${WANTS}/${name}`, { force: true })
      return isNow ? await stop(units) : 0
    },
  }
}

function isSocket(name) {
  return name.endsWith('.socket')
}

/** Those of pbt-server.socket; they stay while the service restarts. */
class Sockets {
  handles = []

  open() {
    if (this.handles.length > 0 || !existsSync(`${FOLDER}/pbt-server.socket`)) return
    this.handles = unit('pbt-server.socket')('ListenStream').map(port =>
      net._createServerHandle('::', Number(port), 6, -1, 0),
    )
  }

  close() {
    for (const handle of this.handles) handle.close()
    this.handles = []
  }
}

/** The process of pbt-server.service. */
class Service {
  /** Else it is not started again when it ends. */
  isWanted = false
  #sockets
  #child

  constructor(sockets) {
    this.#sockets = sockets
  }

  get isActive() {
    return this.#child !== undefined
  }

  /** Returns the status of the command. */
  start() {
    if (this.isActive) return 0
    const of = unit('pbt-server.service')
    if (of('ConditionPathExists').some(path => !existsSync(path))) return 0
    this.isWanted = true
    this.#child = spawnService(of, this.#sockets.handles)
    this.#child.on('exit', code => {
      this.#child = undefined
      if (this.isWanted && code !== Number(of('RestartPreventExitStatus')[0]))
        setTimeout(() => this.start(), 1000 * Number(of('RestartSec')[0]))
    })
    return 0
  }

  async stop() {
    this.isWanted = false
    if (!this.isActive) return
    const over = new Promise(resolve => this.#child.once('exit', resolve))
    this.#child.kill('SIGTERM')
    await over
  }

  /** Whether it was there to be told. */
  kill(signal) {
    return this.#child?.kill(signal)
  }
}

/** As its user, with what that may do, in its directory; the sockets are its descriptors from 3 on. */
function spawnService(of, sockets) {
  const [command] = of('ExecStart')
  const [user] = of('User')
  mkdirSync('/etc/pbt-server', { recursive: true })
  const journal = openSync(JOURNAL, 'a')
  const under = [
    '--reuid',
    user,
    '--regid',
    user,
    '--init-groups',
    '--inh-caps=+net_bind_service',
    '--ambient-caps=+net_bind_service',
  ]
  const env = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    STATE_DIRECTORY: '/var/lib/pbt-server',
    CONFIGURATION_DIRECTORY: '/etc/pbt-server',
    ...(sockets.length > 0 ? { LISTEN_FDS: String(sockets.length) } : {}),
  }
  const stdio = ['ignore', journal, journal, ...sockets]
  return spawn('setpriv', [...under, ...command.split(' ')], { env, stdio, cwd: of('WorkingDirectory')[0] })
}

/** What a unit says under a key, as often as it says it. */
function unit(name) {
  const text = readFileSync(`${FOLDER}/${name}`, 'utf8')
  return key => [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(match => match[1])
}

// Last: the classes have to be there.
if (process.argv[2] === 'supervisor') supervise()
else ask(process.argv.slice(2))
