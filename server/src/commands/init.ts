// `pbt-server init`: makes the data directory, the database and the certificates' authority, and shows the first token.
import type { Command } from './command.ts'
import { commandLine } from './command-line.ts'

/** Needs no running server; the token is shown here and never again. */
export const init: Command = {
  name: 'init',
  summary: 'make the data directory and print the first token, once',
  run: async ({ config, values }, output) => {
    const { initialise } = await import('../offline.ts')
    const { token, authorityFile } = await initialise(config, command => commandLine(command, values))
    const authority = authorityFile === undefined ? {} : { ca: authorityFile }
    output({ event: 'initialised', token, dataDir: config.dataDir, ...authority, next: commandLine('start', values) })
  },
}
