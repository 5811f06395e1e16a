// PostgreSQL through a tunnel: a database of 1 GB is dumped and restored, both over the tunnel, and is the same.
import { chmodSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { answering, freePort } from '../machine.ts'
import { must } from './place.ts'
import type { Tool } from './tool.ts'

/** 100,000 rows each: 80 are a database of just over 1 GB. */
const SCALE = 80
const HOST = '127.0.0.1'
const DATA = '/var/tmp/pbt-bench-postgres'

export const databaseTool: Tool = {
  what: 'PostgreSQL: psql, a dump of 1 GB and its restore',
  needs: ['psql', 'pg_dump', 'pgbench', 'runuser'],
  run: async place => {
    const bin = programs()
    const port = await freePort()
    // It will not run as root, nor in a directory that only root can enter.
    const asUser = async (...command: string[]) => await must('runuser', ['-u', 'postgres', '--', ...command])
    await must('rm', ['-rf', DATA])
    mkdirSync(DATA)
    chmodSync(DATA, 0o700)
    await must('chown', ['postgres', DATA])
    place.t.after(() => must('rm', ['-rf', DATA]))
    await asUser(join(bin, 'initdb'), '-D', DATA, '-A', 'trust', '--no-sync')
    const settings = `-p ${port} -c listen_addresses=${HOST} -c unix_socket_directories= -c fsync=off -c max_wal_size=4GB`
    await asUser(join(bin, 'pg_ctl'), '-D', DATA, '-o', settings, '-l', join(DATA, 'log'), '-w', 'start')
    place.t.after(() => asUser(join(bin, 'pg_ctl'), '-D', DATA, '-m', 'immediate', 'stop'))
    await answering(port)
    const [public_ = 0] = await place.tunnels(`tcp:${port}`)
    const url = (at: number, database: string) => `postgresql://postgres@${HOST}:${at}/${database}`
    const query = async (database: string, text: string) =>
      (await must('psql', [url(public_, database), '-AtXc', text])).trim()
    for (const database of ['one', 'two']) await query('postgres', `create database ${database}`)
    await must('pgbench', ['-i', '-q', '-I', 'dtg', '-s', String(SCALE), url(port, 'one')])
    const timed = async (from: number, to: number) => {
      const began = performance.now()
      const pipe = `set -o pipefail; pg_dump ${url(from, 'one')} | psql -qXv ON_ERROR_STOP=1 ${url(to, 'two')}`
      await must('bash', ['-c', pipe])
      return (performance.now() - began) / 1_000
    }
    const through = await timed(public_, public_)
    const sum = 'select count(*), sum(hashtext(a::text)) from pgbench_accounts a'
    const [one, two] = [await query('one', sum), await query('two', sum)]
    if (one !== two) throw new Error(`${one} is not ${two}`)
    const bytes = await query('postgres', "select pg_size_pretty(pg_database_size('two'))")
    await query('postgres', 'drop database two')
    await query('postgres', 'create database two')
    const direct = await timed(port, port)
    return `${one.split('|')[0]} rows (${bytes}) the same; dump and restore ${through.toFixed(0)} s, ${direct.toFixed(0)} s without a tunnel`
  },
}

/** Debian keeps the server's programs of each version apart. */
function programs(): string {
  const root = '/usr/lib/postgresql'
  const [newest] = readdirSync(root).sort((left, right) => Number(right) - Number(left))
  return join(root, newest ?? '', 'bin')
}
