// The packages that a program needs to run, as package-lock.json has them: what a tarball has to bring, since the overrides of this
// workspace hold for nobody who installs it.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Locked {
  readonly version?: string
  readonly link?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
}

/** One package: where it lies in the workspace, and where in the tarball. */
export interface BundledPackage {
  readonly name: string
  readonly from: string
  readonly to: string
}

/** Every package that `workspace` (`server`) needs in production, the workspace's own ones left out. Throws when one is not installed. */
export function productionPackages(root: string, workspace: string): readonly BundledPackage[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: Record<string, Locked> }
  const found = new Map<string, BundledPackage>()
  const visited = new Set<string>()
  const visit = (location: string) => {
    if (visited.has(location)) return
    visited.add(location)
    const locked = lock.packages[location] ?? {}
    for (const name of namesNeededBy(locked)) {
      const at = locationOf(name, location, lock.packages)
      if (at === undefined) throw new Error(`${location} needs ${name}, which package-lock.json does not have`)
      if (lock.packages[at]?.link === true) visit('proto')
      else {
        add({ name, from: at, to: at.replace(/^[a-z]+\/node_modules\//, 'node_modules/') })
        visit(at)
      }
    }
  }
  const add = (each: BundledPackage) => {
    const other = found.get(each.to)
    if (other !== undefined && other.from !== each.from) throw new Error(`two packages for ${each.to}`)
    if (!existsSync(join(root, each.from))) throw new Error(`${each.from} is not installed: run "npm ci"`)
    found.set(each.to, each)
  }
  visit(workspace)
  return [...found.values()]
}

function namesNeededBy({ dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} }: Locked): string[] {
  const peers = Object.keys(peerDependencies).filter(name => peerDependenciesMeta[name]?.optional !== true)
  return [...Object.keys(dependencies), ...peers]
}

/** As Node looks for it: beside the package that asks, then further up. */
function locationOf(name: string, from: string, packages: Readonly<Record<string, Locked>>): string | undefined {
  for (let folder = from; folder !== ''; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/')))) {
    const at = `${folder}/node_modules/${name}`
    if (packages[at] !== undefined) return at
  }
  return packages[`node_modules/${name}`] === undefined ? undefined : `node_modules/${name}`
}
