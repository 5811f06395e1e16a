// `pbt-server backup` and `restore`: one file with everything that a server is, and a server from it.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Settings } from '../config/config.ts'
import { VERSION } from '../process/version.ts'
import type { Command } from './command.ts'
import { commandLine } from './command-line.ts'

const backup: Command = {
  name: 'backup',
  summary: 'write database, certificates, keys and settings into one file, while the server runs or not',
  positionals: [['<file>', 'the file to make, readable by you alone; a file that is there is not written over']],
  options: [{ name: 'log', doc: 'with the access log, which may be large', isFlag: true }],
  keepsUser: true,
  run: async ({ config, settings, values }, output) => {
    const { makeBackup } = await import('../backup/backup.ts')
    const file = resolve(String(values.file))
    const made = await makeBackup({
      ...{ dataDir: config.dataDir, baseDomain: config.baseDomain, file, version: VERSION },
      withLog: values.log === true,
      settingsFiles: settingsFilesOf(settings),
    })
    output({ event: 'backed-up', file, ...made })
  },
}

const restore: Command = {
  name: 'restore',
  summary: 'make the data directory from a backup; the server must not run',
  positionals: [['<file>', 'a file that "pbt-server backup" made']],
  options: [{ name: 'replace', doc: 'move what is in the data directory aside, and keep it', isFlag: true }],
  keepsUser: true,
  run: async ({ config, settings: own, values }, output) => {
    const { restoreBackup } = await import('../backup/restore.ts')
    const { dataDir } = config
    // Before this process becomes the owner of the data, who may read fewer of them.
    const sameNow = new Set(settingsFilesOf(own).flatMap(path => contentOf(path)))
    const file = resolve(String(values.file))
    const { manifest, replaced, settings } = await restoreBackup({ file, dataDir, replace: values.replace === true })
    const { version, madeAt, baseDomain, files } = manifest
    output({
      ...{ event: 'restored', dataDir, version, madeAt: new Date(madeAt), baseDomain, files: files.length },
      ...{ ...(replaced === undefined ? {} : { replaced }), ...(settings === undefined ? {} : { settings }) },
      settingsFrom: files.flatMap(({ name, from, sha256 }) =>
        from === undefined ? [] : [{ name, from, isSame: sameNow.has(sha256 + from) }],
      ),
      next: commandLine('start', values),
    })
  },
}

/** In the order of the help. */
export const BACKUP_COMMANDS: readonly Command[] = [backup, restore]

function settingsFilesOf({ file = '', config }: Settings): string[] {
  const { tlsCert, tlsKey, notifySecretFile } = config
  return [file, ...tlsCert, ...tlsKey, ...(notifySecretFile === '' ? [] : [notifySecretFile])]
}

/** As the checksum in a backup, and where it is; none for what cannot be read. */
function contentOf(path: string): string[] {
  try {
    return [createHash('sha256').update(readFileSync(path)).digest('hex') + path]
  } catch {
    return []
  }
}
