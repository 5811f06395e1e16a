// Pebble, the ACME server for tests, and a DNS server for it to ask, as child processes on free ports (Debian's package pebble).
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { lastingPort } from '../../support/ports.ts'
import { type Cleaner, scratch } from '../../support/programs.ts'
import { type ApiCertificate, apiCertificate } from './api-certificate.ts'
import { needs } from './debian.ts'
import { httpsText } from './https-text.ts'

const PEBBLE = '/usr/bin/pebble'
const CHALLTESTSRV = '/usr/bin/pebble-challtestsrv'
const START_MS = 30_000

/** What a CA may do and few clients bear: half of the nonces refused, half of the authorizations reused, up to a second until it looks. */
export const HOSTILE: Readonly<Record<string, string>> = {
  PEBBLE_WFE_NONCEREJECT: '50',
  PEBBLE_AUTHZREUSE: '50',
  PEBBLE_VA_NOSLEEP: '0',
  PEBBLE_VA_SLEEPTIME: '1',
}

/** Neither refuses nor waits. */
const GENTLE: Readonly<Record<string, string>> = {
  PEBBLE_WFE_NONCEREJECT: '0',
  PEBBLE_AUTHZREUSE: '0',
  PEBBLE_VA_NOSLEEP: '1',
}

export interface PebbleOptions {
  /** Where it looks for HTTP-01 answers; a free port by default. */
  readonly httpPort?: number
  /** The DNS server that it asks, as `address:port`; by default one that says 127.0.0.1 for every name and has what `dns` sets. */
  readonly dnsServer?: string
  readonly env?: Readonly<Record<string, string>>
  /** How long its certificates are valid. */
  readonly validitySeconds?: number
  /** Where its API answers; localhost by default. */
  readonly at?: { readonly name: string; readonly address: string }
  /** More keys of its configuration. */
  readonly config?: Readonly<Record<string, unknown>>
}

export interface Pebble {
  /** URL of its directory. */
  readonly directory: string
  /** Of its API, in PEM. */
  readonly ca: string
  /** A file with that, for `--acme-ca`. */
  readonly caFile: string
  readonly api: ApiCertificate
  readonly apiPort: number
  readonly httpPort: number
  /** The address of its DNS server. */
  readonly dnsServer: string
  /** Root `number` (0: the usual one) in PEM: chains that it issues lead there. */
  root(number?: number): Promise<string>
  /** What its DNS server says: `set-txt`, `clear-txt`, `add-a`, `set-servfail`, `add-caa` … with their arguments. Names end with a dot. */
  dns(verb: string, body: Readonly<Record<string, unknown>>): Promise<void>
  /** What it has logged. */
  log(): string
  /** Ends it, as if the CA had gone; the same options start another one. */
  stop(): Promise<void>
}

/** Whether Pebble is there; the test is skipped when not. */
export function hasPebble(t: TestContext): boolean {
  return needs(t, ['pebble'], [PEBBLE, CHALLTESTSRV])
}

/** Ready for orders; ended after the test. */
export async function startPebble(t: Cleaner, options: PebbleOptions = {}): Promise<Pebble> {
  const directory = scratch(t)
  const { name, address } = options.at ?? { name: 'localhost', address: '127.0.0.1' }
  const api = apiCertificate(name)
  const caFile = join(directory, 'ca.pem')
  writeFileSync(caFile, api.ca)
  writeFileSync(join(directory, 'cert.pem'), api.cert)
  writeFileSync(join(directory, 'key.pem'), api.key)
  const [apiPort, managementPort, httpPort] = [
    await lastingPort(),
    await lastingPort(),
    options.httpPort ?? (await lastingPort()),
  ]
  const dns = options.dnsServer === undefined ? await startDns(t) : undefined
  const dnsServer = options.dnsServer ?? dns?.address ?? ''
  const config = {
    listenAddress: `${address}:${apiPort}`,
    managementListenAddress: `${address}:${managementPort}`,
    certificate: join(directory, 'cert.pem'),
    privateKey: join(directory, 'key.pem'),
    httpPort,
    tlsPort: 1,
    ocspResponderURL: '',
    externalAccountBindingRequired: false,
    certificateValidityPeriod: options.validitySeconds ?? 0,
    ...options.config,
  }
  writeFileSync(join(directory, 'pebble.json'), JSON.stringify({ pebble: config }))
  const args = ['-config', join(directory, 'pebble.json'), '-dnsserver', dnsServer]
  const program = await run(t, PEBBLE, args, { ...GENTLE, ...options.env }, apiPort, address)
  const url = `https://${name}:${apiPort}`
  return {
    directory: `${url}/dir`,
    ca: api.ca,
    caFile,
    api,
    apiPort,
    httpPort,
    dnsServer,
    root: async (number = 0) => (await httpsText(`https://${name}:${managementPort}/roots/${number}`, api.ca)).body,
    dns: async (verb, body) => {
      if (dns === undefined) throw new Error('this Pebble asks a DNS server of the test')
      await dns.set(verb, body)
    },
    log: program.log,
    stop: program.stop,
  }
}

async function startDns(t: Cleaner) {
  const [port, management] = [await lastingPort(), await lastingPort()]
  const args = ['-dns01', `127.0.0.1:${port}`, '-management', `127.0.0.1:${management}`, '-defaultIPv6', '']
  await run(t, CHALLTESTSRV, [...args, '-http01', '', '-https01', '', '-tlsalpn01', ''], {}, management)
  return {
    address: `127.0.0.1:${port}`,
    set: async (verb: string, body: Readonly<Record<string, unknown>>) => {
      const answer = await fetch(`http://127.0.0.1:${management}/${verb}`, {
        method: 'POST',
        body: JSON.stringify(body),
      })
      const text = await answer.text()
      if (!answer.ok) throw new Error(`${verb}: ${answer.status} ${text}`)
    },
  }
}

/** A program that listens on `port` (of `address`), ended after the test. */
export async function run(
  t: Cleaner,
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  port: number,
  address = '127.0.0.1',
): Promise<{ child: ChildProcess; log: () => string; stop: () => Promise<void> }> {
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  const note = (chunk: Buffer) => {
    said = (said + chunk).slice(-100_000)
  }
  child.stdout.on('data', note)
  child.stderr.on('data', note)
  const exited = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGKILL')
    await exited
  }
  t.after(stop)
  const deadline = Date.now() + START_MS
  while (!(await isListening(port, address))) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${file} does not listen on ${port}\n${said}`)
    await wait(20)
  }
  return { child, log: () => said, stop }
}

function isListening(port: number, address: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, address)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
