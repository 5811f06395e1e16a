// Which room may import which, and which owns which library: the rules of the house, held against every import.
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

/** A room and what it may import besides itself; the first pattern that fits a file names its room. */
const ROOMS: readonly (readonly [room: string, pattern: RegExp, mayImport: readonly string[]])[] = [
  ['launch', /^launch\//, []],
  ['proto/gen', /^proto\/gen\//, []],
  ['proto/testing', /^proto\/src\/testing\//, ['proto']],
  ['proto', /^proto\/src\//, ['proto/gen']],
  [
    'server/edge',
    /^server\/src\/edge\//,
    ['server/relay', 'server/access', 'server/observe', 'server/config', 'proto'],
  ],
  [
    'server/certs',
    /^server\/src\/certs\//,
    ['server/relay', 'server/access', 'server/observe', 'server/config', 'server/failure', 'proto'],
  ],
  ['server/relay', /^server\/src\/relay\//, ['server/access', 'server/observe', 'proto', 'proto/gen']],
  [
    'server/owner',
    /^server\/src\/owner\//,
    ['server/relay', 'server/access', 'server/certs', 'server/observe', 'server/failure', 'proto'],
  ],
  [
    'server/notify',
    /^server\/src\/notify\//,
    ['server/owner', 'server/config', 'server/observe', 'server/failure', 'proto'],
  ],
  [
    'server/api',
    /^server\/src\/api\//,
    [
      'server/owner',
      'server/access',
      'server/observe',
      'server/config',
      'server/process',
      'server/failure',
      'proto',
      'proto/gen',
    ],
  ],
  ['server/access', /^server\/src\/access\//, ['proto']],
  [
    'server/store',
    /^server\/src\/store\//,
    ['server/relay', 'server/owner', 'server/access', 'server/certs', 'server/failure', 'server/observe'],
  ],
  ['server/observe', /^server\/src\/observe\//, []],
  ['server/config', /^server\/src\/config\//, ['server/failure', 'launch', 'proto']],
  ['server/process', /^server\/src\/process\//, ['server/config', 'server/observe', 'server/failure']],
  ['server/backup', /^server\/src\/backup\//, ['server/store', 'server/process', 'server/failure']],
  ['server/doctor', /^server\/src\/doctor\//, ['server/store', 'server/config', 'server/process', 'server/failure']],
  ['server/failure', /^server\/src\/failure\.ts$/, ['proto']],
  [
    'server/commands',
    /^server\/src\/commands\//,
    [
      'server',
      'server/backup',
      'server/doctor',
      'server/api',
      'server/config',
      'server/process',
      'server/observe',
      'server/failure',
      'proto',
      'proto/gen',
      'launch',
    ],
  ],
  [
    'server',
    /^server\/src\/(main|main\.test|cli|server|parts|open-owner|certificates|dns|shutdown|offline|reach|verbs|deploy\.test)\.ts$/,
    ['server/*', 'launch', 'proto', 'proto/gen'],
  ],
  ['client/failure', /^client\/src\/failure\.ts$/, ['proto']],
  ['client/process', /^client\/src\/process\//, ['client/failure']],
  ['client/config', /^client\/src\/config\//, ['client/failure', 'launch', 'proto']],
  ['client/forward', /^client\/src\/forward\//, ['client/config', 'client/process', 'client/failure', 'proto']],
  [
    'client/session',
    /^client\/src\/session\//,
    ['client/config', 'client/process', 'client/failure', 'proto', 'proto/gen'],
  ],
  [
    'client/tunnels',
    /^client\/src\/tunnels\//,
    [
      'client/session',
      'client/forward',
      'client/config',
      'client/process',
      'client/failure',
      'proto',
      'proto/gen',
      'launch',
    ],
  ],
  [
    'client/daemon',
    /^client\/src\/daemon\//,
    ['client/tunnels', 'client/config', 'client/process', 'client/failure', 'proto', 'launch'],
  ],
  [
    'client/doctor',
    /^client\/src\/doctor\//,
    ['client/tunnels', 'client/session', 'client/config', 'client/process', 'client/failure', 'proto'],
  ],
  ['client/output', /^client\/src\/output\//, ['client/tunnels', 'client/failure', 'proto', 'launch']],
  [
    'client/commands',
    /^client\/src\/commands\//,
    [
      'client/doctor',
      'client/tunnels',
      'client/daemon',
      'client/session',
      'client/output',
      'client/config',
      'client/process',
      'client/failure',
      'proto',
      'launch',
    ],
  ],
  ['client', /^client\/src\/(main|cli|cli\.test)\.ts$/, ['client/*', 'launch', 'proto']],
  ['admin', /^admin\//, ['proto/gen']],
  ['bin', /^(server|client)\/bin\//, ['launch']],
  ['scripts', /^scripts\//, ['launch', 'server', 'server/*', 'client', 'client/*', 'proto']],
  ['bench', /^bench\//, ['launch', 'proto', 'scripts', 'system tests', 'server/*']],
  [
    'system tests',
    /^server\/test\//,
    ['proto', 'proto/gen', 'proto/testing', 'server/*', 'client/*', 'launch', 'scripts'],
  ],
]

/** What has no row may not be imported, and imports nothing. */
const NOWHERE = 'nowhere'

/** Libraries with one owner: the files that may import them. */
const OWNERS: readonly (readonly [library: RegExp, owner: RegExp])[] = [
  [/^@prisma\/|^better-sqlite3$/, /^server\/src\/store\/|^scripts\/migrate\.mjs$/],
  [/^@grpc\/grpc-js$/, /^server\/src\/relay\/service\.ts$|^client\/src\/session\//],
  [/^@connectrpc\//, /^server\/src\/api\/|^admin\//],
  [/^greenlock$|^@root\//, /^server\/src\/certs\/acme\/issuer\/runner\/greenlock\.ts$/],
  [/^dns-packet$/, /^server\/src\/certs\/acme\//],
  [/^winston$/, /^server\/src\/observe\//],
  [/^@opentelemetry\//, /^server\/src\/observe\//],
  [/^yargs$/, /^(server|client)\/src\/(cli\.ts|commands\/)/],
  [/^yaml$/, /^server\/src\/config\/|^client\/src\/daemon\//],
  [
    /^@bufbuild\/protobuf/,
    /^proto\/|^admin\/|^server\/src\/(relay|api|commands)\/|^client\/src\/(session\/|tunnels\/(agent|identity)\.ts)/,
  ],
]

/** Parts of Node that the protocol does without: it is arithmetic, and runs anywhere. */
const FORBIDDEN_IN_PROTO = /^node:(fs|net|tls|http|http2|https|child_process|process|os|dgram|dns|worker_threads)/

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s*['"]([^'"]+)['"]|(?:^|\n)\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g

/** The names a source text imports. */
export function importsOf(source: string): string[] {
  return [...source.matchAll(IMPORT)].map(match => match[1] ?? match[2] ?? match[3] ?? '')
}

/** What is wrong with the imports of these files, one line each; none when all is well. Paths from the root. */
export function findFaults(files: readonly string[], read = (file: string) => readFileSync(file, 'utf8')): string[] {
  const faults: string[] = []
  const graph = new Map<string, string[]>()
  for (const file of files) {
    if (roomOf(file) === NOWHERE) faults.push(`${file} is in no room: give its folder a row in scripts/arrows.ts`)
    const isTest = /\.test\.ts$|\/testing\/|^server\/test\//.test(file)
    const targets: string[] = []
    for (const name of importsOf(read(file))) {
      const target = resolve(file, name)
      if (target === undefined) {
        if (!isTest) faults.push(...foreignFaults(file, name))
        continue
      }
      if (!name.startsWith('@')) targets.push(target)
      if (!isTest && !mayImport(file, target))
        faults.push(`${file} must not import ${target} (${roomOf(file)} -> ${roomOf(target)})`)
    }
    graph.set(file, targets)
  }
  return [...faults, ...findCycles(graph)]
}

function resolve(file: string, name: string): string | undefined {
  if (name.startsWith('.')) return normalize(join(dirname(file), name))
  if (name === '@pbt/proto') return 'proto/src/index.ts'
  if (name === '@pbt/proto/http1') return 'proto/src/http1/index.ts'
  if (name === '@pbt/proto/testing') return 'proto/src/testing/index.ts'
  if (name.startsWith('@pbt/proto/')) return 'proto/gen/'
  return undefined
}

function foreignFaults(file: string, name: string): string[] {
  const faults: string[] = []
  for (const [library, owner] of OWNERS) {
    if (library.test(name) && !owner.test(file)) faults.push(`${file} must not import ${name}: it has one owner`)
  }
  if (file.startsWith('proto/src/') && FORBIDDEN_IN_PROTO.test(name)) faults.push(`${file} must not import ${name}`)
  return faults
}

function roomOf(file: string): string {
  return ROOMS.find(([, pattern]) => pattern.test(file))?.[0] ?? NOWHERE
}

function mayImport(file: string, target: string): boolean {
  const from = roomOf(file)
  const to = roomOf(target)
  if (from === to) return true
  const allowed = ROOMS.find(([room]) => room === from)?.[2] ?? []
  return allowed.some(each => each === to || (each.endsWith('/*') && to.startsWith(each.slice(0, -1))))
}

function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>()
  const path: string[] = []
  const cycles: string[] = []
  const visit = (file: string) => {
    const at = path.indexOf(file)
    if (at >= 0) {
      cycles.push(`import cycle: ${[...path.slice(at), file].join(' -> ')}`)
      return
    }
    if (done.has(file)) return
    path.push(file)
    for (const target of graph.get(file) ?? []) visit(target)
    path.pop()
    done.add(file)
  }
  for (const file of graph.keys()) visit(file)
  return cycles
}
