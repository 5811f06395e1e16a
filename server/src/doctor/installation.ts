// How the program is installed: versions, and the units beside those that this version brings.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Finding, failed, notChecked, ok } from './finding.ts'

/** In the checkout and in the package alike. */
const SHIPPED = join(import.meta.dirname, '..', '..', '..', 'deploy')
const INSTALLED = 'etc/systemd/system'
const UNITS = ['pbt-server.service', 'pbt-server.socket']
/** Older ones have known holes in what faces strangers. */
const OLDEST_NODE = 24

/** What is looked at. */
export interface InstallationOptions {
  /** Of this program. */
  readonly version: string
  /** Of the server that runs; undefined: none does. */
  readonly running: string | undefined
  readonly isService: boolean
  readonly root?: string
  readonly node?: string
}

/** Never throws. */
export function checkInstallation(options: InstallationOptions): readonly Finding[] {
  const { root = '/', isService, node = process.versions.node } = options
  return [
    version(options),
    nodeVersion(node),
    ...(isService ? UNITS.map(unit => oneUnit(unit, root)) : [noService(root)]),
  ]
}

function version({ version, running, isService }: InstallationOptions): Finding {
  const step = 'version'
  if (running === undefined) {
    const cure = isService
      ? 'sudo systemctl start pbt-server, then "journalctl -u pbt-server -n 20 -o cat"'
      : 'run "pbt-server start"'
    return isService
      ? failed(step, `pbt-server ${version} is installed, and does not run`, cure)
      : notChecked(step, `pbt-server ${version}; none runs on this data directory`, cure)
  }
  if (running === version) return ok(step, `pbt-server ${version} runs`)
  return failed(
    step,
    `pbt-server ${running} runs, and ${version} is installed`,
    'sudo systemctl restart pbt-server; no request fails',
  )
}

function nodeVersion(node: string): Finding {
  const step = 'Node'
  if (Number(node.split('.')[0]) >= OLDEST_NODE) return ok(step, node)
  return failed(step, `${node} is too old`, 'install pbt-server again with npm, which brings its own Node')
}

function oneUnit(unit: string, root: string): Finding {
  const step = `unit ${unit}`
  const installed = textOf(join(root, INSTALLED, unit))
  const shipped = textOf(join(SHIPPED, unit))
  const source = join(SHIPPED, unit)
  const cure = `sudo cp ${source} /etc/systemd/system/ && sudo systemctl daemon-reload; your own changes belong into "sudo systemctl edit ${unit}"`
  if (installed === undefined) return failed(step, 'it is not in /etc/systemd/system: a restart refuses visitors', cure)
  if (shipped === undefined)
    return notChecked(step, 'this version brings none to compare with', 'install pbt-server again')
  return installed === shipped
    ? ok(step, 'as this version brings it')
    : failed(step, 'it is not the one that this version brings', cure)
}

/** Docker and Podman make these; a container has no systemd, and needs none. */
const OF_CONTAINERS = ['.dockerenv', 'run/.containerenv']

function noService(root: string): Finding {
  if (OF_CONTAINERS.some(file => existsSync(join(root, file)))) {
    return notChecked(
      'restart',
      'pbt-server is in a container: whether it starts again after a crash or reboot is seen from outside only',
      'give its container a restart policy, as deploy/server.compose.yaml does: "restart: unless-stopped"',
    )
  }
  const cure = 'the runbook says how: deploy/install.sh'
  return existsSync(join(root, 'run/systemd/system'))
    ? notChecked('unit', 'pbt-server is not installed as a service', cure)
    : notChecked(
        'unit',
        'this system has no systemd: nothing starts pbt-server again after a crash or reboot',
        'use a container, or another supervisor',
      )
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
