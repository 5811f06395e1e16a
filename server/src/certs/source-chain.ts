// All certificates: a chain of sources, of which the first that has one for a name answers for it.
import type { SecureContext } from 'node:tls'
import type { CertificatePair, Keyring } from '../relay/keyring.ts'
import type { CertificateEnd, Source } from './source.ts'

/** Asks its sources in their order, and closes them when it is closed. */
export class SourceChain implements Keyring {
  private readonly sources: readonly Source[]

  constructor(sources: readonly Source[]) {
    this.sources = sources
  }

  contextFor(serverName: string): SecureContext | undefined {
    for (const source of this.sources) {
      const context = source.contextFor(serverName)
      if (context !== undefined) return context
    }
    return undefined
  }

  get unnamed(): CertificatePair | undefined {
    // Asked for each connection.
    for (const source of this.sources) {
      const { unnamed } = source
      if (unnamed !== undefined) return unnamed
    }
    return undefined
  }

  covers(serverName: string | undefined, host: string): boolean {
    const source =
      serverName === undefined
        ? this.sourceWithout()
        : this.sources.find(source => source.covers(serverName, serverName))
    return source?.covers(serverName, host) === true
  }

  /** Every certificate that is served. */
  get ends(): readonly CertificateEnd[] {
    return this.sources.flatMap(({ ends }) => ends)
  }

  /** What is set and cannot be used, a sentence each. */
  get faults(): readonly string[] {
    return this.sources.flatMap(({ faults }) => faults)
  }

  reload(): void {
    for (const source of this.sources) source.reload()
  }

  close(): void {
    for (const source of this.sources) source.close()
  }

  /** The source that answers connections without a server name. */
  private sourceWithout(): Source | undefined {
    return this.sources.find(({ unnamed }) => unnamed !== undefined)
  }
}
