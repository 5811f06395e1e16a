// What the owner has said of tunnels by their names: which are paused, and which have been ended and stay down.
import type { Loss } from './book.ts'

/** What is kept of it: the names. */
export interface SteeredNames {
  readonly paused: readonly string[]
  readonly killed: readonly string[]
}

/** Where paused and ended tunnels are kept, by name. */
export interface SteeringStore {
  steered(): Promise<SteeredNames>
  /** The owner has asked for it again: it is ended no longer. On disk when this resolves. */
  lift(tunnel: string): Promise<void>
}

/** Which tunnels are paused or ended, in memory; `load` brings changes into force. */
export class Steering {
  private readonly store: SteeringStore
  private paused: ReadonlySet<string> = new Set()
  private killed = new Set<string>()
  /** How often the owner has asked for a tunnel that was ended. */
  private lifts = 0

  constructor(store: SteeringStore) {
    this.store = store
  }

  /** Reads again what is kept. Rejects when it cannot be read, and then nothing has changed. */
  async load(): Promise<void> {
    for (;;) {
      const { lifts } = this
      const { paused, killed } = await this.store.steered()
      // What was read may be from before a tunnel was asked for again.
      if (lifts !== this.lifts) continue
      this.paused = new Set(paused)
      this.killed = new Set(killed)
      return
    }
  }

  /** Asked for each visitor. */
  isPaused(tunnel: string): boolean {
    return this.paused.size > 0 && this.paused.has(tunnel)
  }

  isKilled(tunnel: string): boolean {
    return this.killed.has(tunnel)
  }

  /** The owner asks for the tunnel again, which is on disk when this resolves. */
  async lift(tunnel: string): Promise<void> {
    await this.store.lift(tunnel)
    this.lifts++
    this.killed.delete(tunnel)
  }
}

/** What the client of a tunnel is told that the owner ends. */
export function killed(tunnel: string): Loss {
  return {
    code: 'killed',
    message: `the owner ended the tunnel "${tunnel}" on the server; it stays down until its command is run again`,
  }
}
