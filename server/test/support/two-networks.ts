// A client's machine and a server's, each a network namespace, with two networks between them that a test moves, breaks and mends.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import type { Cleaner } from './programs.ts'

/** The server's address, reached over either network. */
export const SERVER_ADDRESS = '10.77.0.1'

/** Why it cannot be had here, '' when it can. iproute2 is installed where that is possible. */
export function whyNoNamespaces(): string {
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  if (spawnSync('ip', ['-V']).error !== undefined) {
    spawnSync('apt-get', ['install', '-qy', '--no-install-recommends', 'iproute2'], { timeout: 120_000 })
  }
  const probe = `pbt-probe-${process.pid}`
  const made = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' })
  if (made.error !== undefined) return 'iproute2 is not installed'
  const [entered, link] = [
    spawnSync('ip', ['netns', 'exec', probe, 'true'], { encoding: 'utf8' }),
    spawnSync('ip', ['-n', probe, 'link', 'add', 'name', 'v0', 'type', 'veth', 'peer', 'name', 'v1'], {
      encoding: 'utf8',
    }),
  ]
  spawnSync('ip', ['netns', 'del', probe])
  const failed = [made, entered, link].find(({ status }) => status !== 0)
  return failed === undefined ? '' : `no network namespaces here: ${failed.stderr.trim()}`
}

/** Network `n` is 10.77.n.0/24: the server's end 10.77.n.1, the client's 10.77.n.2 or what a test gives it. */
export class TwoNetworks {
  readonly client: string
  readonly server: string

  constructor(t: Cleaner) {
    const id = process.pid % 100_000
    this.client = `pbt-c${id}`
    this.server = `pbt-s${id}`
    const names = `/etc/netns/${this.client}`
    t.after(() => {
      for (const name of [this.client, this.server]) spawnSync('ip', ['netns', 'del', name])
      rmSync(names, { recursive: true, force: true })
    })
    mkdirSync(names, { recursive: true })
    writeFileSync(`${names}/resolv.conf`, `nameserver ${SERVER_ADDRESS}\n`)
    for (const name of [this.client, this.server]) {
      run('netns', 'add', name)
      run('-n', name, 'link', 'set', 'lo', 'up')
    }
    run('-n', this.server, 'address', 'add', `${SERVER_ADDRESS}/32`, 'dev', 'lo')
    for (const network of [1, 2]) {
      const ends = ['type', 'veth', 'peer', 'name', `s${network}`, 'netns', this.server]
      run('-n', this.client, 'link', 'add', 'name', `c${network}`, ...ends)
      run('-n', this.server, 'address', 'add', `10.77.${network}.1/24`, 'dev', `s${network}`)
      run('-n', this.server, 'link', 'set', `s${network}`, 'up')
    }
  }

  /** What stands before a command that is to run on this machine. */
  under(machine: 'client' | 'server'): readonly string[] {
    return ['ip', 'netns', 'exec', this[machine]]
  }

  /** As on a machine with IPv6 alone. */
  serverLosesIpv4(): void {
    for (const device of ['lo', 's1', 's2']) run('-n', this.server, '-4', 'address', 'flush', 'dev', device)
  }

  /** The client is in this network, with this address and its default route. */
  join(network: number, address = `10.77.${network}.2`): void {
    run('-n', this.client, 'link', 'set', `c${network}`, 'up')
    run('-n', this.client, 'address', 'replace', `${address}/24`, 'dev', `c${network}`)
    run('-n', this.client, 'route', 'replace', 'default', 'via', `10.77.${network}.1`)
  }

  /** The client loses its address in this network, and its routes there. */
  leave(network: number): void {
    run('-n', this.client, 'address', 'flush', 'dev', `c${network}`)
  }

  /** The network itself passes nothing on any more, or again; the client's interface stays as it is. */
  pass(network: number, isPassing: boolean): void {
    run('-n', this.server, 'link', 'set', `s${network}`, 'arp', isPassing ? 'on' : 'off')
    run('-n', this.server, 'link', 'set', `s${network}`, isPassing ? 'up' : 'down')
  }
}

function run(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
