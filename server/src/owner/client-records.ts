// What is kept of clients: those that were connected, over restarts.

/** Clients kept: those seen last. */
export const MAX_CLIENTS = 10_000

/** A client as it was seen last. */
export interface SeenClient {
  readonly id: string
  readonly machineId: string
  readonly label: string
  readonly agent: string
  /** Of the protocol that it speaks. */
  readonly minor: number
  /** Where it came from. */
  readonly address: string
  readonly tokenId: number
  readonly lastSeenAt: Date
}

/** A client, and when it was seen first. */
export interface KeptClient extends SeenClient {
  readonly firstSeenAt: Date
}

/** What the store provides; all reject with what the database says. */
export interface ClientRecords {
  /** Keeps them as they were seen last, and of all the `MAX_CLIENTS` seen last. */
  seen(clients: readonly SeenClient[]): Promise<void>
  /** All of them, by label and id. */
  list(): Promise<KeptClient[]>
  find(id: string): Promise<KeptClient | undefined>
  /** False when there is no such client. */
  forget(id: string): Promise<boolean>
}
