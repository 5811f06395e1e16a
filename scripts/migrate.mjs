// Writes and checks Prisma migrations without the native schema engine; the server applies them itself when it starts.
// There are two databases: prisma/ has what is remembered, prisma/log/ the access log.
//   node scripts/migrate.mjs create <name>   writes migrations/<time>_<name>/migration.sql where a schema has changed
//   node scripts/migrate.mjs check           exits 2 and prints the missing SQL when a schema.prisma says something else
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'

const root = join(import.meta.dirname, '..')
const DATABASES = [join(root, 'prisma'), join(root, 'prisma', 'log')]
const LOCK = '# Written by scripts/migrate.mjs.\nprovider = "sqlite"\n'

const [command, name = 'change'] = process.argv.slice(2)
if (command !== 'create' && command !== 'check') {
  console.error('usage: migrate.mjs create <name> | check')
  process.exit(64)
}

const SchemaEngine = await loadEngine()
for (const directory of DATABASES) {
  await work(join(directory, 'schema.prisma'), join(directory, 'migrations'))
}

async function work(schemaFile, migrationsDir) {
  const factory = adapterFactory()
  const datamodels = [[schemaFile, await readFile(schemaFile, 'utf8')]]
  const engine = await SchemaEngine.new({ datamodels }, () => {}, factory)
  try {
    const { stdout: sql, exitCode } = await engine.diff({
      from: { tag: 'migrations', ...(await migrations(migrationsDir)) },
      to: { tag: 'schemaDatamodel', files: [{ path: schemaFile, content: await readFile(schemaFile, 'utf8') }] },
      script: true,
      exitCode: true,
      filters: { externalTables: [], externalEnums: [] },
    })
    if (command === 'check') check(sql, exitCode)
    else if (exitCode === 0) console.log(`the migrations say already what ${relative(root, schemaFile)} says`)
    else await write(migrationsDir, sql)
  } catch (error) {
    // The engine passes on only a number for what the database said.
    const id = /External error id#(\d+)/.exec(error.message)?.[1]
    if (id !== undefined) error.cause = factory.errorRegistry.consumeError(Number(id))?.error
    throw error
  } finally {
    engine.free()
  }
}

function check(sql, exitCode) {
  if (exitCode === 0) return
  console.error(`schema.prisma and its migrations differ; run migrate.mjs create. Missing:\n${sql}`)
  process.exitCode = exitCode
}

async function write(migrationsDir, sql) {
  const time = new Date().toISOString().replace(/\D/g, '').slice(0, 14)
  const directory = join(migrationsDir, `${time}_${name}`)
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, 'migration.sql'), sql)
  await writeFile(join(migrationsDir, 'migration_lock.toml'), LOCK)
  console.log(`wrote ${relative(root, directory)}`)
}

async function migrations(migrationsDir) {
  const entries = await readdir(migrationsDir, { withFileTypes: true }).catch(() => [])
  const names = entries
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)
    .sort()
  const migrationDirectories = await Promise.all(
    names.map(async path => ({
      path,
      migrationFile: {
        path: 'migration.sql',
        content: { tag: 'ok', value: await readFile(join(migrationsDir, path, 'migration.sql'), 'utf8') },
      },
    })),
  )
  return {
    baseDir: migrationsDir,
    lockfile: { path: 'migration_lock.toml', content: LOCK },
    shadowDbInitScript: '',
    migrationDirectories,
  }
}

/** The engine's glue has one memory: a second instance would not work. */
async function loadEngine() {
  const glue = await import('@prisma/schema-engine-wasm/schema_engine_bg')
  const url = new URL('./schema_engine_bg.wasm', import.meta.resolve('@prisma/schema-engine-wasm/schema_engine_bg'))
  const { instance } = await WebAssembly.instantiate(await readFile(url), { './schema_engine_bg.js': glue })
  glue.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
  return glue.SchemaEngine
}

function adapterFactory() {
  const inner = new PrismaBetterSqlite3({ url: ':memory:' })
  return bindMigrationAwareSqlAdapterFactory({
    provider: inner.provider,
    adapterName: inner.adapterName,
    connect: async () => manyStatements(await inner.connect()),
    connectToShadowDb: async () => manyStatements(await inner.connectToShadowDb()),
  })
}

// The engine replays migrations through executeRaw with many statements in one text, which better-sqlite3's prepare()
// refuses; raw SQL without arguments goes through exec() instead.
function manyStatements(adapter) {
  const one = adapter.executeRaw.bind(adapter)
  adapter.executeRaw = async query => {
    if (query.args.length > 0) return one(query)
    await adapter.executeScript(query.sql)
    return 0
  }
  return adapter
}
