// Where orders are made in tests: Pebble behind a proxy that can break, answers to its challenges, and an issuer.
import assert from 'node:assert/strict'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { PassThrough } from 'node:stream'
import type { TestContext } from 'node:test'
import { openIssuer } from '../../../src/certs/acme/issuer/issuer.ts'
import type { Issued, IssueFailure, IssueRequest } from '../../../src/certs/acme/types.ts'
import { openLog } from '../../../src/observe/log.ts'
import { type Answers, startAnswers } from './answers.ts'
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts'
import { HOSTILE, type Pebble, type PebbleOptions, startPebble } from './pebble.ts'

/** A name that the CA refuses. */
export const BLOCKED = 'blocked.example.test'

/** Where orders are made. */
export interface Place {
  readonly pebble: Pebble
  readonly proxy: FaultProxy
  readonly answers: Answers
  readonly account: { readonly key: string; readonly email: string }
  /** What was logged, as text. */
  readonly logged: PassThrough
}

/** All of it ends with the test. */
export async function startPlace(t: TestContext, options: Pick<PebbleOptions, 'config' | 'env'> = {}): Promise<Place> {
  const answers = await startAnswers(t)
  const config = { domainBlocklist: [BLOCKED], ...options.config }
  const pebble = await startPebble(t, { env: HOSTILE, httpPort: answers.httpPort, ...options, config })
  answers.ca = pebble
  const proxy = await startFaultProxy(t, pebble)
  return { pebble, proxy, answers, account: { key: newKey(), email: 'owner@example.test' }, logged: new PassThrough() }
}

/** What is unlike the usual order. */
export interface How {
  readonly deadlineMs?: number
  readonly runner?: string
  /** Not through the proxy. */
  readonly isDirect?: boolean
}

/** One order; the proxy has seen only what belongs to it. */
export async function issue(
  place: Place,
  names: readonly string[],
  request: Partial<IssueRequest> = {},
  how: How = {},
) {
  const { pebble, proxy, answers, account } = place
  proxy.seen.length = 0
  return await issuerOf(place, how).issue({
    directory: how.isDirect ? pebble.directory : proxy.directory,
    ca: pebble.ca,
    account,
    names,
    key: newKey(),
    proof: 'http',
    challenges: answers.store,
    signal: new AbortController().signal,
    ...request,
  })
}

export function issuerOf({ logged }: Place, { deadlineMs, runner }: How = {}) {
  const log = openLog({ level: 'debug', stream: logged, isForPeople: false })
  return openIssuer({ userAgent: 'pbt-server/0.0.0', log, deadlineMs, runner })
}

/** Of an order that has to succeed. */
export function chainOf(result: Issued | IssueFailure): string {
  assert.ok(result.isIssued, JSON.stringify(result))
  return result.chain
}

/** Of an order that has to fail. */
export function failureOf(result: Issued | IssueFailure): IssueFailure {
  assert.ok(!result.isIssued, 'a certificate was issued')
  return result
}

export function certificatesIn(chain: string): X509Certificate[] {
  return chain.split(/(?<=-----END CERTIFICATE-----\n)/).map(pem => new X509Certificate(pem))
}

export function newKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}
