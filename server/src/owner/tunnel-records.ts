// What is kept of tunnels for the owner.

/** A tunnel as it is kept. */
export interface KeptTunnel {
  readonly name: string
  /** http, tcp or udp. */
  readonly kind: string
  readonly target: string
  /** The client that had it last, and its name for people; '' for one from before that was kept. */
  readonly clientId: string
  readonly clientLabel: string
  /** Whom its client named last with --allow; none: everybody. */
  readonly clientBlocks: readonly string[]
  readonly isPaused: boolean
  readonly isKilled: boolean
  /** When the owner paused, resumed, ended or started it last. */
  readonly steeredAt: Date | undefined
  readonly createdAt: Date
  readonly lastOnlineAt: Date
}

/** What is kept of tunnels. Those that tell whether there is such a tunnel resolve with false when there is none. */
export interface TunnelRecords {
  list(): Promise<KeptTunnel[]>
  find(name: string): Promise<KeptTunnel | undefined>
  /** It stays down until it is started, and its client is not expected back. */
  kill(name: string): Promise<boolean>
  start(name: string): Promise<boolean>
  setPaused(name: string, isPaused: boolean): Promise<boolean>
}
