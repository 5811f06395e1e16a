// Installs the daemon as a service of systemd, and takes it away again: what was there before stays as it was.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { xdgDirectory } from '../../../launch/home-path.ts'
import { type Environment, homeOf, tunnelsFileOf } from '../config/config.ts'
import { machineFileOf, storedFileOf } from '../config/stored.ts'
import { Failure } from '../failure.ts'
import { programCommand, programForPeople } from '../process/program.ts'
import { MARKER, SYSTEM_HOME, UNIT, unitText } from './unit.ts'

/** systemctl waits for the service to begin or end. */
const COMMAND_MS = 60_000
/** That the daemon stays without its user being logged in was not so before: in the client's directory. */
const LINGER_MARKER = 'linger-is-ours'
/** Where files are; passed on to the service as they were at the installation. */
const PLACES = ['PBT_HOME', 'XDG_CONFIG_HOME', 'XDG_STATE_HOME'] as const

/** What was done, a line each. */
export interface Done {
  readonly path: string
  /** What was written; undefined when nothing was. */
  readonly text: string | undefined
  readonly steps: readonly string[]
}

/** Of a user, or of the system. */
export class Service {
  readonly path: string
  private readonly isSystem: boolean
  private readonly env: Environment
  private readonly home: string

  constructor(env: Environment, isSystem: boolean) {
    this.env = env
    this.isSystem = isSystem
    this.home = isSystem ? SYSTEM_HOME : homeOf(env)
    const configuration = xdgDirectory(env.XDG_CONFIG_HOME, env.HOME ?? userInfo().homedir, '.config')
    this.path = isSystem ? join('/etc/systemd/system', UNIT) : join(configuration, 'systemd/user', UNIT)
  }

  /** It was installed by this program, and its manager answers. */
  get isInstalled(): boolean {
    return isOurs(this.path) && this.isManaged
  }

  /** Writes the unit and begins it, now and at each boot. Again: nothing that is so already. Throws Failure. */
  install(): Done {
    this.checkManaged()
    if (existsSync(this.path) && !isOurs(this.path)) {
      throw new Failure('no-service', `${this.path} is there and was not written by pbt`, {
        cure: 'move it away first',
      })
    }
    const text = unitText({
      command: programCommand(),
      isSystem: this.isSystem,
      home: this.home,
      environment: { PBT_UNATTENDED: '1', ...this.places() },
    })
    const steps = this.isSystem ? this.bringFiles() : []
    const isSame = existsSync(this.path) && readFileSync(this.path, 'utf8') === text
    if (!isSame) {
      mkdirSync(dirname(this.path), { recursive: true })
      writeFileSync(this.path, text, { mode: 0o644 })
    }
    this.systemctl('daemon-reload')
    this.systemctl('enable', UNIT)
    if (!this.isSystem) steps.push(...this.linger())
    this.systemctl(isSame ? 'start' : 'restart', UNIT)
    return { path: this.path, text: isSame ? undefined : text, steps }
  }

  /** Ends it in order and takes away what `install` made; the tunnels and the token stay. Again: nothing. Throws Failure. */
  uninstall(): Done {
    if (!existsSync(this.path))
      return { path: this.path, text: undefined, steps: [`the service is not installed: ${this.path} does not exist`] }
    if (!isOurs(this.path)) {
      throw new Failure('no-service', `${this.path} was not written by pbt`, {
        cure: 'remove it by hand if it is not wanted',
      })
    }
    this.checkManaged()
    this.systemctl('disable', '--now', UNIT)
    rmSync(this.path, { force: true })
    this.systemctl('daemon-reload')
    const steps = [`removed ${this.path}`]
    const marker = join(this.home, LINGER_MARKER)
    if (!this.isSystem && existsSync(marker)) {
      this.run('loginctl', 'disable-linger')
      rmSync(marker)
      steps.push('services of this user end again when they log out, as before')
    }
    if (this.isSystem)
      steps.push(
        `the token and the tunnels are still in ${SYSTEM_HOME}; where they are not wanted: sudo rm -r ${SYSTEM_HOME}/`,
      )
    return { path: this.path, text: undefined, steps }
  }

  /** By its manager. Throws Failure. */
  start(): void {
    this.systemctl('start', UNIT)
  }

  private get isManaged(): boolean {
    const { status } = this.spawn('systemctl', ...this.scope, 'show-environment')
    return status === 0
  }

  private get scope(): string[] {
    return this.isSystem ? [] : ['--user']
  }

  /** Throws Failure `no-service` where this service cannot be. */
  checkManaged(): void {
    if (this.isSystem && process.getuid?.() !== 0) {
      throw new Failure('no-service', 'only root can install a service of the system', {
        cure: 'run it with sudo, or leave --system out for a service of this user',
      })
    }
    if (this.isManaged) return
    const command = `${programForPeople()} daemon`
    throw new Failure('no-service', 'no systemd answers here, and pbt installs itself nowhere else', {
      cure:
        `have what supervises programs here run "${command} run", and restart it unless it ends with 0, 3 or 5;\n` +
        `where nothing does, "crontab -e" and a line "@reboot ${command} start"`,
    })
  }

  private places(): Record<string, string> {
    if (this.isSystem) return { PBT_HOME: SYSTEM_HOME }
    return Object.fromEntries(PLACES.flatMap(name => (this.env[name] ? [[name, this.env[name]]] : [])))
  }

  /** Services of users end with their last session, unless somebody has said otherwise. */
  private linger(): string[] {
    const { username } = userInfo()
    const { stdout } = this.spawn('loginctl', 'show-user', username, '--property=Linger', '--value')
    if (stdout.trim() === 'yes') return []
    this.run('loginctl', 'enable-linger')
    mkdirSync(this.home, { recursive: true, mode: 0o700 })
    writeFileSync(join(this.home, LINGER_MARKER), '', { mode: 0o600 })
    return ['services of this user now run from boot on, also when nobody is logged in (loginctl enable-linger)']
  }

  /**
   * The home whose files the service goes on with: none when it has its own already, or is of the user. The daemon of that home has to
   * make room, since both are the same machine to the server.
   */
  get predecessor(): string | undefined {
    if (!this.isSystem || existsSync(storedFileOf(SYSTEM_HOME))) return undefined
    const homes = [homeOf(this.env), homeOfSudoUser(this.env)]
    return homes.find(home => home !== undefined && home !== SYSTEM_HOME && existsSync(storedFileOf(home)))
  }

  /** The system's daemon has a home of its own; sudo has hidden that of the user. With the machine's name it has the same addresses. */
  private bringFiles(): string[] {
    const from = this.predecessor
    const steps: string[] = []
    mkdirSync(SYSTEM_HOME, { recursive: true, mode: 0o700 })
    for (const fileOf of [storedFileOf, machineFileOf, tunnelsFileOf]) {
      const [source, target] = [fileOf(from ?? ''), fileOf(SYSTEM_HOME)]
      if (from === undefined || !existsSync(source) || existsSync(target)) continue
      copyFileSync(source, target)
      if (fileOf !== machineFileOf) steps.push(`copied ${source} to ${target}`)
    }
    const users = from === undefined ? '' : join(dirname(from), 'systemd/user', UNIT)
    if (isOurs(users))
      steps.push(`${users} would begin at the next boot too: "pbt daemon uninstall" as that user removes it`)
    const asRoot = `sudo PBT_HOME=${SYSTEM_HOME} ${programForPeople()}`
    if (!existsSync(storedFileOf(SYSTEM_HOME))) steps.push(`store the token next: ${asRoot} init -`)
    steps.push(`its tunnels are in ${tunnelsFileOf(SYSTEM_HOME)}; to see them: ${asRoot} tunnel list`)
    return steps
  }

  private systemctl(...args: string[]): void {
    this.run('systemctl', ...this.scope, ...args)
  }

  private run(command: string, ...args: string[]): void {
    const { status, stderr, error } = this.spawn(command, ...args)
    if (status === 0) return
    const reason = (error?.message ?? stderr.trim()) || `it ended with ${status}`
    throw new Failure('no-service', `"${[command, ...args].join(' ')}" failed: ${reason}`, {
      cure: 'run it by hand to see more',
    })
  }

  private spawn(command: string, ...args: string[]) {
    const { PBT_TOKEN: _token, ...rest } = this.env
    // Where nobody is logged in, as with sudo -u, the manager of the user is still found there.
    const runtime = rest.XDG_RUNTIME_DIR ?? `/run/user/${process.getuid?.() ?? 0}`
    return spawnSync(command, args, {
      encoding: 'utf8',
      timeout: COMMAND_MS,
      env: { ...rest, ...(this.isSystem ? {} : { XDG_RUNTIME_DIR: runtime }) },
    })
  }
}

function isOurs(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').startsWith(MARKER)
  } catch {
    return false
  }
}

function homeOfSudoUser({ SUDO_USER: name }: Environment): string | undefined {
  if (name === undefined) return undefined
  try {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find(each => each.startsWith(`${name}:`))
    const directory = line?.split(':')[5]
    return directory === undefined ? undefined : join(directory, '.config/pbt')
  } catch {
    return undefined
  }
}
