// Has greenlock make one order. It keeps its own course, from account to chain, and whatever it would say to the CA, read from files or
// look up is asked of the server instead. Each place where that is put in is checked to be there: the versions are pinned.
import { generateKeyPairSync } from 'node:crypto'
import { createRequire } from 'node:module'
import type { AuthorizationView, Job, OrderView, StatusView, Verb } from './messages.ts'

/** Has the server do something. */
export type Ask = (verb: Verb, argument: string) => Promise<unknown>

type Method = (...args: never[]) => unknown
type Library = Record<string, Method> & object

/** What greenlock wants of a request to a CA, as far as it is read here. */
interface SignedRequest {
  readonly url: string
  readonly payload: unknown
}
interface Answer {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

/** More than any order needs; the server counts the time. */
const ENDLESS = 1_000_000_000
/** Greenlock wants an address, and it goes nowhere. */
const NOBODY = 'nobody@example.invalid'

const fromHere = createRequire(import.meta.url)
const fromGreenlock = createRequire(fromHere.resolve('greenlock'))
const fromRoot = createRequire(fromGreenlock.resolve('@root/greenlock'))

/** Resolves when the library has the chain. */
export async function order(job: Job, ask: Ask): Promise<void> {
  isolate(job)
  answerRequests(job, ask)
  // Keys that are nobody's: the server signs, and has signed the certificate request.
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keypair = {
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    privateKeyJwk: privateKey.export({ format: 'jwk' }),
  }
  const challenges = { [job.challenge]: { module: plug('challenge', challengePlugin(ask)) } }
  const store = { module: plug('store', storePlugin(keypair)) }
  const manager = { module: plug('manager', managerPlugin(job, { store, challenges })) }
  const { create } = fromHere('greenlock') as {
    create(options: object): { get(query: object): Promise<{ pems?: object } | null> }
  }
  const greenlock = create({
    // Where it looks for its files: one folder that it may read, and has none of them.
    packageRoot: import.meta.dirname,
    configDir: './none',
    packageAgent: job.userAgent,
    maintainerEmail: NOBODY,
    manager,
    renew: false,
    notify: () => {},
  })
  const result = await greenlock.get({ servername: job.names[0] })
  if (result?.pems === undefined) throw new Error('greenlock ended without a certificate')
}

/** Nothing of the library's own: no look-up, file, call home, other CA, nor its reader of requests and certificates. */
function isolate({ directory, csr, names }: Job): void {
  replace(fromGreenlock('@root/greenlock/utils.js'), {
    _validMx: async () => [],
    // Its own reader fails on some certificates, and what it finds is not used.
    _attachCertInfo: (pems: object) =>
      Object.assign(pems, { subject: names[0], altnames: [...names], issuedAt: 0, expiresAt: Number.MAX_SAFE_INTEGER }),
  })
  replace(fromGreenlock('@root/greenlock/lib/rc.js'), {
    _initSync: (_directory: string, manager: object, configDir: string) => ({ manager, configDir }),
  })
  replace(fromGreenlock('@root/greenlock/lib/directory-url.js'), {
    _getDirectoryUrl: () => directory,
    _getDefaultDirectoryUrl: () => directory,
  })
  replace(fromRoot('@root/acme/maintainers.js'), { init: () => {} })
  const request = {
    csr: async () => Buffer.from(csr, 'base64url'),
    // Its own crashes on the keys of one in 200.
    _info: () => ({ subject: names[0], altnames: [...names] }),
  }
  const fromAcme = createRequire(fromRoot.resolve('@root/acme'))
  for (const library of new Set([fromRoot('@root/csr'), fromAcme('@root/csr')])) replace(library, request)
}

/** What greenlock says to the CA becomes what RFC 8555 has for it: it answers pending challenges again and again, and sends its request
 *  for the certificate again while that is being made, where one has to ask how things stand. */
function answerRequests(job: Job, ask: Ask): void {
  const acme = fromRoot('@root/acme')
  const utils = fromRoot('@root/acme/utils.js')
  const { create } = acme
  const options = { skipDryRun: true, skipChallengeTest: true, retryPending: ENDLESS, retryPoll: ENDLESS }
  const meta = { termsOfService: '' }
  const directory = { newNonce: job.directory, newAccount: job.newAccount, newOrder: job.newOrder, meta }
  const __request = async ({ url }: { url: string }): Promise<Answer> => {
    if (url !== job.directory) throw new Error(`greenlock would speak to ${url}`)
    return answerOf(directory)
  }
  replace(acme, {
    create: ((me: object) => create?.(Object.assign(me, options, { __request }) as never)) as Method,
    // The server waits, as the CA wants it.
    _wait: async () => {},
  })
  const course = new Course(job, ask)
  replace(utils, { _jwsRequest: (async (_me: object, signed: SignedRequest) => course.follow(signed)) as Method })
}

/** What the URLs of this order mean. */
class Course {
  private readonly job: Job
  private readonly ask: Ask
  private readonly authorizations = new Set<string>()
  private readonly answered = new Set<string>()
  private finalize = ''
  private certificate = ''
  private isFinalized = false

  constructor(job: Job, ask: Ask) {
    this.job = job
    this.ask = ask
  }

  async follow({ url, payload }: SignedRequest): Promise<Answer> {
    if (url === this.job.newAccount) return answerOf({ status: 'valid' }, String(await this.ask('register', '')))
    if (url === this.job.newOrder) return await this.order('order', '')
    if (url === this.finalize) {
      const isAgain = this.isFinalized
      this.isFinalized = true
      return await this.order(isAgain ? 'poll-order' : 'finalize', url)
    }
    if (url === this.certificate) return answerOf(await this.ask('certificate', url))
    if (this.authorizations.has(url)) return await this.authorize(url)
    if (url.startsWith(VALID)) return answerOf({ status: 'valid' })
    if (lengthOf(payload) > '{}'.length) throw new Error('the CA did not decide in time')
    const verb = this.answered.has(url) ? 'poll-challenge' : 'answer'
    this.answered.add(url)
    return answerOf((await this.ask(verb, url)) as StatusView)
  }

  private async order(verb: Verb, argument: string): Promise<Answer> {
    const view = (await this.ask(verb, argument)) as OrderView
    for (const url of view.authorizations) this.authorizations.add(url)
    this.finalize = view.finalize
    this.certificate = view.certificate
    return answerOf({ ...view }, view.url)
  }

  private async authorize(url: string): Promise<Answer> {
    const view = (await this.ask('authorize', url)) as AuthorizationView
    const challenge = view.isValid
      ? { status: 'valid', url: `${VALID}${url}`, token: 'none' }
      : { status: 'pending', url: view.url, token: view.token }
    return answerOf({
      status: challenge.status,
      identifier: { type: 'dns', value: view.name },
      ...(view.isWildcard ? { wildcard: true } : {}),
      challenges: [{ type: this.job.challenge, ...challenge }],
    })
  }
}

/** Before the URL of an authorization: the challenge of one that is valid already, whatever has proved it. */
const VALID = 'valid:'

function answerOf(body: unknown, location = ''): Answer {
  return { statusCode: 200, headers: { location }, body }
}

function lengthOf(payload: unknown): number {
  return typeof payload === 'string' || payload instanceof Uint8Array ? payload.length : 0
}

function challengePlugin(ask: Ask): object {
  const nothing = async () => null
  const run = (verb: 'put' | 'remove') => async (query: { challenge: { token: string } }) => {
    if (query.challenge.token !== 'none') await ask(verb, query.challenge.token)
    return null
  }
  const plugin = { propagationDelay: 1, init: nothing, get: nothing, zones: async () => [] }
  return { create: () => ({ ...plugin, set: run('put'), remove: run('remove') }) }
}

function storePlugin(keypair: object): object {
  let stored: object | null = null
  const nothing = async () => null
  const keys = { checkKeypair: async (_query: object) => keypair, setKeypair: nothing }
  const accounts = { ...keys, check: nothing, set: nothing }
  const certificates = {
    ...keys,
    check: async () => stored,
    set: async ({ pems }: { pems: { cert: string; chain: string } }) => {
      stored = { cert: pems.cert, chain: pems.chain }
      return null
    },
  }
  return { create: (options: object) => ({ options, accounts, certificates }) }
}

function managerPlugin({ names, directory }: Job, { store, challenges }: { store: object; challenges: object }) {
  const nothing = async () => null
  const defaults = {
    store,
    challenges,
    directoryUrl: directory,
    subscriberEmail: NOBODY,
    agreeToTerms: true,
    renewOffset: '-20d',
    renewStagger: '1d',
    accountKeyType: 'EC-P256',
    serverKeyType: 'EC-P256',
  }
  const site = { subject: names[0], altnames: [...names], challenges, waitForRenewal: true }
  // Only once: after each certificate it looks for what else there is to renew.
  const sites = [site]
  const find = async () => sites.splice(0)
  const methods = { init: nothing, get: nothing, set: nothing, remove: nothing, find }
  return { create: () => ({ ...methods, defaults: async () => ({ ...defaults }) }) }
}

/** Puts methods in the place of a library's own, which have to be there. */
function replace(library: Library, methods: Readonly<Record<string, unknown>>): void {
  for (const [name, method] of Object.entries(methods)) {
    if (typeof library[name] !== 'function') throw new Error(`greenlock has changed: it has no ${name}`)
    library[name] = method as Method
  }
}

/** A module that greenlock can require by the name that this returns. */
function plug(name: string, exported: object): string {
  const file = `/pbt-greenlock-${name}.cjs`
  const Module = fromHere('node:module') as ModuleInside
  const found = new Module(file)
  Object.assign(found, { filename: file, loaded: true, exports: exported })
  fromHere.cache[file] = found as unknown as NodeJS.Module
  const { _resolveFilename: resolve } = Module
  Module._resolveFilename = function (this: unknown, asked: string, ...others: unknown[]) {
    return asked === file ? file : resolve.call(this, asked, ...others)
  }
  return file
}

/** What node:module has and its types do not say. */
interface ModuleInside {
  new (id: string): object
  _resolveFilename(asked: string, ...others: unknown[]): string
}
