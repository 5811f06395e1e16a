// Where answers to challenges are put in tests: a web server for HTTP-01, the test CA's DNS server for DNS-01.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ChallengeStore } from '../../../src/certs/acme/types.ts'
import type { Cleaner } from '../../support/programs.ts'
import type { Pebble } from './pebble.ts'

export interface Answers {
  readonly store: ChallengeStore
  /** For the test CA. */
  readonly httpPort: number
  /** Every answer that is in its place, by token. */
  readonly placed: ReadonlyMap<string, { readonly name: string; readonly value: string }>
  /** Every token that ever was. */
  readonly tokens: string[]
  /** These names are not answered for. */
  readonly silent: Set<string>
  /** The CA whose DNS server gets the records. */
  ca: Pebble | undefined
}

/** The web server is closed after the test. */
export async function startAnswers(t: Cleaner): Promise<Answers> {
  const placed = new Map<string, { name: string; value: string }>()
  const web = createServer((request, response) => {
    const token = /^\/\.well-known\/acme-challenge\/([\w-]+)$/.exec(request.url ?? '')?.[1] ?? ''
    const found = placed.get(token)
    response.writeHead(found === undefined ? 404 : 200).end(found?.value)
  })
  web.listen(0, '127.0.0.1')
  await once(web, 'listening')
  t.after(() => web.close())
  const answers: Answers = {
    httpPort: (web.address() as AddressInfo).port,
    placed,
    tokens: [],
    silent: new Set(),
    ca: undefined,
    store: {
      put: async (kind, name, token, value) => {
        answers.tokens.push(token)
        if (answers.silent.has(name)) return
        placed.set(token, { name, value })
        if (kind === 'delegated') await answers.ca?.dns('set-txt', { host: hostFor(name), value })
      },
      remove: async (kind, name, token) => {
        placed.delete(token)
        if (kind !== 'delegated') return
        // It removes all of a name, and the CA may be looking for another one.
        const isLast = !placed.values().some(other => other.name === name)
        if (isLast) await answers.ca?.dns('clear-txt', { host: hostFor(name) })
      },
    },
  }
  return answers
}

function hostFor(name: string): string {
  return `_acme-challenge.${name}.`
}
