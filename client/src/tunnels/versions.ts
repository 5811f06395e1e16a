// Whether both ends are of the same version, and what to run when they are not. They understand each other all the same; what one does not know
// it does without.

/** One end is older; for people, and what to do. */
export interface VersionNotice {
  readonly message: string
  readonly cure: string
}

/** `pbt/0.1.0`; anything else, such as what a foreign program calls itself, has no version. */
const AGENT = /^[\w-]+\/(\d{1,5})\.(\d{1,5})\.(\d{1,5})$/

/** From what both ends call themselves. Undefined: they are the same but for mends, or one of them does not say. */
export function versionNotice(ownAgent: string, serverAgent: string): VersionNotice | undefined {
  const own = AGENT.exec(ownAgent)
  const server = AGENT.exec(serverAgent)
  if (own === null || server === null) return undefined
  const [ownText, serverText] = [own.slice(1).join('.'), server.slice(1).join('.')]
  const order = Number(own[1]) - Number(server[1]) || Number(own[2]) - Number(server[2])
  if (order < 0) {
    return {
      message: `pbt ${ownText} is older than the server (${serverText})`,
      cure: `install the same version here: sudo npm install --global ./pbt-client-${serverText}.tgz; then "pbt daemon restart" if the daemon runs`,
    }
  }
  if (order === 0) return undefined
  return {
    message: `the server (${serverText}) is older than pbt ${ownText}`,
    cure: `upgrade the server, on the VPS: sudo sh package/deploy/install.sh pbt-server-${ownText}.tgz (deploy/README.md, "Upgrade")`,
  }
}

/** Tells of a difference once for each version of the server, over all sessions with it. */
export class VersionNotices {
  private readonly ownAgent: string
  private readonly tell: (notice: VersionNotice) => void
  private serverAgent = ''

  constructor(ownAgent: string, tell: (notice: VersionNotice) => void) {
    this.ownAgent = ownAgent
    this.tell = tell
  }

  /** What the server calls itself in a new session. */
  met(serverAgent: string): void {
    if (serverAgent === this.serverAgent) return
    this.serverAgent = serverAgent
    const notice = versionNotice(this.ownAgent, serverAgent)
    if (notice !== undefined) this.tell(notice)
  }
}
