// Stands for a library that has gone wrong, in its place in the issuing process: the first name of the order says how.
import { execSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'

const BEHAVIOURS: Readonly<Record<string, () => void>> = {
  exits: () => process.exit(3),
  throws: () => {
    throw new Error('a library broke')
  },
  aborts: () => process.abort(),
  hangs: () => setInterval(() => {}, 1_000),
  spins: () => {
    for (;;);
  },
  grows: () => {
    const kept: number[][] = []
    for (;;) kept.push(new Array(1_000_000).fill(Math.random()))
  },
  prints: () => {
    console.log('{"pbt":true,"kind":"finished"')
    console.error('{"pbt":true')
    process.stdout.write('no end of the line')
    process.stderr.write('a secret is not a word for people\u0007')
    setTimeout(() => process.exit(0), 50)
  },
  floods: () => flood(process.stdout, 'x'.repeat(65_536)),
  'floods-errors': () => flood(process.stderr, 'x\n'.repeat(32_768)),
  asks: () => flood(process.stdout, '{"pbt":true,"kind":"ask","id":1,"verb":"poll-order","argument":""}\n'),
  strays: () => say({ kind: 'ask', id: 1, verb: 'constructor', argument: '' }),
  speaks: () => {
    say({ kind: 'ask', id: 1, verb: 'register', argument: '' })
    say({ kind: 'ask', id: 2, verb: 'certificate', argument: 'https://example.org/somewhere' })
  },
  finishes: () => say({ kind: 'finished' }),
  curious: () => {
    const found = [
      attempt(() => readFileSync('/etc/passwd')),
      attempt(() => readFileSync(`${import.meta.dirname}/../../../../package.json`)),
      attempt(() => writeFileSync('/tmp/of-the-library', '')),
      attempt(() => execSync('true')),
      `environment ${Object.keys(process.env).length}`,
    ]
    get('http://127.0.0.1:1/').on('error', (error: Error & { code?: string }) => {
      say({ kind: 'failed', message: [...found, `network ${error.code}`].join(', ') })
    })
  },
}

function attempt(run: () => unknown): string {
  try {
    run()
    return 'could'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'failed'
  }
}

function say(message: object): void {
  process.stdout.write(`${JSON.stringify({ pbt: true, ...message })}\n`)
}

function flood(stream: NodeJS.WriteStream, text: string): void {
  if (stream.write(text)) setImmediate(flood, stream, text)
  else stream.once('drain', () => flood(stream, text))
}

process.stdin.once('data', line => {
  const { job } = JSON.parse(String(line))
  BEHAVIOURS[job.names[0].split('.')[0]]?.()
})
process.stdin.once('end', () => process.exit(0))
