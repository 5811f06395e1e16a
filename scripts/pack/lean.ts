// What of a package no program ever reads: types, maps, sources of what is built, engines of other databases.

/** Of every package. Licences stay. */
const NEVER_READ = /\.(d\.[cm]?ts|[cm]?ts|map|flow|md|markdown|gyp|gypi|tsbuildinfo)$|(^|\/)\.[^/]+$/i
const UNREAD_FOLDERS = /(^|\/)(test|tests|__tests__|example|examples|docs|benchmark|benchmarks|\.github)\//

/** Of single packages. */
const UNREAD: Readonly<Record<string, RegExp>> = {
  // Prebuilt for every system: nothing is compiled where it is installed, and the server does not run on Windows.
  'better-sqlite3': /^(src|deps)\/|^prebuilds\/win32/,
  // The server's database is SQLite, by the fast compiler (server/src/store/generated).
  '@prisma/client':
    /^runtime\/(query_compiler_(fast|small)_bg\.(postgresql|mysql|sqlserver|cockroachdb)\.|query_compiler_small_|wasm-compiler-edge)/,
}

/** Scripts that npm would run where the tarball is installed. Nothing in it needs any. */
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare']

/** Whether the file of the package is part of the tarball. `path`: below the package. */
export function isNeeded(name: string, path: string): boolean {
  if (path === 'package.json') return true
  return !(NEVER_READ.test(path) || UNREAD_FOLDERS.test(path) || UNREAD[name]?.test(path) === true)
}

/**
 * The manifest of a package inside the tarball: without scripts of installation, and asking for exactly the versions that lie beside
 * it. npm would fetch, and compile, what a range of its own asks for.
 */
export function leanManifest(text: string, versionOf: (dependency: string) => string | undefined): string {
  const manifest = JSON.parse(text) as Record<string, unknown>
  const scripts = { ...(manifest.scripts as object | undefined) }
  for (const script of INSTALL_SCRIPTS) Reflect.deleteProperty(scripts, script)
  const { devDependencies: _, optionalDependencies: __, ...rest } = manifest
  const asked = (manifest.dependencies ?? {}) as Record<string, string>
  const dependencies = Object.fromEntries(
    Object.entries(asked).map(([name, range]) => [name, versionOf(name) ?? range]),
  )
  return `${JSON.stringify({ ...rest, scripts, dependencies, gypfile: false }, undefined, 2)}\n`
}
