// Writes deploy/server.example.yaml from the table of settings: node server/src/config/example.ts > deploy/server.example.yaml
import { defaultTextOf, keyOf, SETTING_NAMES, SETTINGS, variableOf } from './settings.ts'

const WIDTH_COLUMNS = 100

const HEAD = `# Settings of pbt-server. Every line is optional; the values after "#" are the defaults.
# ${variableOf('httpsPort')}=443 in the environment overrides this file, --https-port 443 on the command line overrides both.
# An unknown key is an error. Generated from the table in server/src/config/settings.ts.
`

/** The example, with every setting and its default. */
export function exampleFile(): string {
  return [HEAD, ...SETTING_NAMES.map(exampleOf)].join('\n')
}

function exampleOf(name: (typeof SETTING_NAMES)[number]): string {
  const { doc, unit, defaultText } = SETTINGS[name]
  const lines = wrapped(unit === '' ? doc : `${doc} (${unit})`)
  if (defaultText !== undefined) lines.push(...wrapped(`default: ${defaultText}`))
  const value = defaultText === undefined ? ` ${defaultTextOf(name)}` : ''
  return `${lines.map(line => `# ${line}\n`).join('')}#${keyOf(name)}:${value}\n`
}

function wrapped(text: string): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length + 3 <= WIDTH_COLUMNS)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

if (import.meta.main) process.stdout.write(exampleFile())
