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

if (process.argv[2] === 'supervisor') supervise()
else ask(process.argv.slice(2))

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
  /** By unit, the sockets that are open. */
  let sockets = []
  let service
  let wanted = false

  const unit = name => {
    const text = readFileSync(`${FOLDER}/${name}`, 'utf8')
    return key => [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(match => match[1])
  }
  const openSockets = () => {
    if (sockets.length > 0 || !existsSync(`${FOLDER}/pbt-server.socket`)) return
    sockets = unit('pbt-server.socket')('ListenStream').map(port =>
      net._createServerHandle('::', Number(port), 6, -1, 0),
    )
  }
  const closeSockets = () => {
    for (const handle of sockets) handle.close()
    sockets = []
  }
  const startService = () => {
    if (service !== undefined) return 0
    const of = unit('pbt-server.service')
    if (of('ConditionPathExists').some(path => !existsSync(path))) return 0
    wanted = true
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
    const child = spawn('setpriv', [...under, ...command.split(' ')], { env, stdio, cwd: of('WorkingDirectory')[0] })
    service = child
    child.on('exit', code => {
      service = undefined
      if (wanted && code !== Number(of('RestartPreventExitStatus')[0]))
        setTimeout(startService, 1000 * Number(of('RestartSec')[0]))
    })
    return 0
  }
  const stopService = async () => {
    wanted = false
    if (service === undefined) return
    const over = new Promise(resolve => service.once('exit', resolve))
    service.kill('SIGTERM')
    await over
  }
  const verbs = {
    'daemon-reload': async () => 0,
    reload: async () => (service?.kill('SIGHUP') ? 0 : 1),
    start: async units => {
      if (units.some(name => name.endsWith('.socket'))) openSockets()
      return units.some(name => !name.endsWith('.socket')) ? startService() : 0
    },
    stop: async units => {
      if (units.some(name => name.endsWith('.socket'))) closeSockets()
      await stopService()
      return 0
    },
    restart: async () => {
      await stopService()
      return startService()
    },
    'is-active': async () => (service === undefined ? 3 : 0),
  }
  // Power is cut: nobody is asked.
  verbs.reboot = async () => {
    wanted = false
    service?.kill('SIGKILL')
    closeSockets()
    setImmediate(() => process.exit(0))
    return 0
  }
  verbs.enable = async (units, isNow) => {
    mkdirSync(WANTS, { recursive: true })
    for (const name of units) {
      rmSync(`${WANTS}/${name}`, { force: true })
      symlinkSync(`${FOLDER}/${name}`, `${WANTS}/${name}`)
    }
    return isNow ? await verbs.start(units) : 0
  }
  verbs.disable = async (units, isNow) => {
    for (const name of units) rmSync(`${WANTS}/${name}`, { force: true })
    return isNow ? await verbs.stop(units) : 0
  }

  // The boot: settings of the kernel, rules of the firewall, units.
  spawnSync('sh', ['-c', 'sysctl -q -p /etc/sysctl.d/60-pbt-server.conf; nft -f /etc/nftables.conf'], {
    stdio: 'ignore',
  })
  const enabled = existsSync(WANTS) ? readdirSync(WANTS).filter(name => name.startsWith('pbt-server')) : []
  if (enabled.length > 0) void verbs.start(enabled)

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
