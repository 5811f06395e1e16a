// Keeps the tunnels of a file up, for ever: the file and the settings are read again when they change, and what ends a command
// leaves this one idle until its owner has done something about it.
import { type Clock, systemClock, type Timer, untilLook } from '@pbt/proto'
import { type Environment, readSettings, type Settings } from '../config/config.ts'
import { formatServer } from '../config/server-address.ts'
import { storedFileOf } from '../config/stored.ts'
import { EXIT, type ExitCode, failureOf } from '../failure.ts'
import type { ClientEvent, Running } from '../tunnels/events.ts'
import { Holder, type HolderEvents } from '../tunnels/holder.ts'
import type { Purpose } from '../tunnels/identity.ts'
import { FileStore, stampOf } from './file-store.ts'

/** How often the files are looked at; a change is in force within two of these. */
const LOOK_EVERY_MS = 1_000
/** What neither a new token nor the owner mends, such as another version, is tried again this often. */
const RETRY_MS = 60_000

/** What makes one keeper another than the next. */
export interface KeeperOptions {
  readonly env: Environment
  readonly home: string
  /** The list of tunnels. */
  readonly file: string
  readonly purpose: Purpose
  /** It stays whatever happens, until it is told to stop; else a refused token and tunnels that the owner ended end it. */
  readonly isDaemon: boolean
  /** A person has asked for the tunnels just now. */
  readonly isAskedByOwner: boolean
  readonly events: HolderEvents
  readonly clock?: Clock
}

/** `prepare`, then `run`. */
export class Keeper {
  readonly holder: Holder
  readonly store: FileStore
  private readonly options: KeeperOptions
  private readonly clock: Clock
  private timer: Timer | undefined
  private settings: Settings | undefined
  private settingsStamp = ''
  private isStopping = false
  /** The session is to begin anew, with other settings. */
  private isRenewing = false
  private endWait: () => void = () => {}
  /** Why the last session ended, as it was told last. */
  private lastWords = ''
  private lastCode = ''

  constructor(options: KeeperOptions) {
    this.options = options
    this.clock = options.clock ?? systemClock
    this.store = new FileStore(options.file, () => this.holder.list)
    this.settings = this.readSettings()
    this.holder = new Holder({
      home: options.home,
      settings: this.settings,
      purpose: () => options.purpose,
      isDaemon: options.isDaemon,
      keepsEnded: options.isDaemon,
      events: { ...options.events, event: event => this.heard(event) },
      store: () => this.store,
      faults: () => this.store.faults,
      ...(options.isDaemon ? { spelt: inVerbs } : {}),
      onAsked: () => this.endWait(),
      stop: () => this.stop(),
    })
  }

  /** Reads the file. Mistakes in it are told; the tunnels that have none are opened. */
  prepare(): Running {
    const running = this.holder.prepare(this.store.first())
    this.tellFaults()
    return running
  }

  /** Until it is told to stop, or for good where it is no daemon. */
  async run(): Promise<ExitCode> {
    this.plan()
    try {
      for (let isFirst = true; ; isFirst = false) {
        const { settings } = this
        let exitCode: ExitCode = EXIT.usage
        if (settings !== undefined) {
          this.isRenewing = false
          exitCode = await this.holder.begin(this.options.isAskedByOwner && isFirst, settings)
        }
        if (this.isStopping) return EXIT.stopped
        if (!this.options.isDaemon) return exitCode
        // What was stored meanwhile is tried at once.
        if (!this.isRenewing && this.settings === settings) await this.idle(exitCode)
        if (this.isStopping) return EXIT.stopped
        this.settings = this.readSettings() ?? this.settings
      }
    } finally {
      this.timer?.clear()
      this.holder.end()
    }
  }

  /** As the agent does: no new visitors, what is under way may end. Again: at once. */
  stop(): void {
    this.isStopping = true
    this.holder.stop()
    this.endWait()
  }

  /** Waits for the owner, or for a while where that may help. */
  private async idle(exitCode: ExitCode): Promise<void> {
    const isOwners = exitCode !== EXIT.failed || this.lastCode === 'replaced'
    const what = isOwners
      ? 'it is tried again when "pbt init" has stored another token, or with "pbt daemon restart"'
      : 'it is tried again in a minute'
    this.holder.tell({ event: 'offline', reason: `${this.lastWords}; ${what}` })
    const { promise, resolve } = Promise.withResolvers<void>()
    this.endWait = resolve
    const timer = isOwners ? undefined : this.clock.after(RETRY_MS, resolve)
    await promise
    timer?.clear()
    this.endWait = () => {}
  }

  private heard(event: ClientEvent): void {
    if (event.event === 'error' && event.number === undefined) {
      this.lastWords = event.message
      this.lastCode = event.code
    } else if (event.event === 'closed') {
      this.lastWords = event.reason
      this.lastCode = event.code
    }
    this.options.events.event(event)
  }

  private plan(): void {
    this.timer = this.clock.after(untilLook(this.clock, LOOK_EVERY_MS), () => {
      this.plan()
      if (this.store.look()) this.tellFaults()
      this.lookAtSettings()
    })
  }

  private lookAtSettings(): void {
    if (stampOf(storedFileOf(this.options.home)) === this.settingsStamp) return
    const before = this.settings
    const now = this.readSettings()
    if (now === undefined) return
    this.settings = now
    const isSameServer =
      before !== undefined && formatServer(before.server) === formatServer(now.server) && before.ca === now.ca
    if (isSameServer) this.holder.useToken(now.token)
    else if (before !== undefined) {
      this.isRenewing = true
      this.holder.stop()
    }
    this.endWait()
  }

  private readSettings(): Settings | undefined {
    this.settingsStamp = stampOf(storedFileOf(this.options.home))
    try {
      return readSettings(this.options.env)
    } catch (error) {
      const { message, cure } = failureOf(error)
      this.lastWords = `${message}; ${cure}`
      this.options.events.say(`pbt: ${message}; ${cure}`)
      return undefined
    }
  }

  private tellFaults(): void {
    for (const fault of this.store.faults) this.options.events.say(`pbt: ${fault}`)
  }
}

/** Hints for people whose tunnels have no command that could be run again. */
function inVerbs(hint: string): string {
  return hint.replace(
    /run its command again, or "pbt-server tunnel start ([^"]+)"/,
    'run "pbt tunnel start $1", or "pbt-server tunnel start $1"',
  )
}
