// Walks the runbook by itself, from a VPS with nothing on it to the last command, and prints how long it took:
//
//   npx -c 'node server/test/support/walk.ts [--files DIR] [--from FILE.tgz] [--per-second 300]'
//
// With what `npm run pack` made. `--files`: the root of a Debian, as debootstrap makes it, for the VPS; `--from`: the pbt-server that is
// installed first and then upgraded, while so many requests a second come.
import { parseArgs } from 'node:util'
import { walkRunbook } from './runbook.ts'

const { values } = parseArgs({
  options: { files: { type: 'string' }, from: { type: 'string' }, 'per-second': { type: 'string', default: '300' } },
})
const ends: (() => unknown)[] = []
const t = { after: (end: () => unknown) => void ends.unshift(end) }
try {
  await walkRunbook(t, {
    ...values,
    perSecond: Number(values['per-second']),
    tell: text => process.stdout.write(`${text}\n`),
  })
} finally {
  for (const end of ends) await end()
}
