// Tells others of events, as the owner's settings say: webhooks, and topics of ntfy, which take the same POST.
import { readFileSync } from 'node:fs'
import type { Clock } from '@pbt/proto'
import type { Config } from '../config/config.ts'
import { Failure, systemCodeOf } from '../failure.ts'
import type { Log } from '../observe/log.ts'
import { EVENT_KINDS } from '../owner/event.ts'
import type { Events } from '../owner/events.ts'
import { keyOf } from './signature.ts'
import { Webhook } from './webhook.ts'

/** The part of the configuration that says where events go, which ones, and how they are signed. */
export type NotifySettings = Pick<
  Config,
  'baseDomain' | 'notifyUrl' | 'notifyKinds' | 'notifySecret' | 'notifySecretFile'
>

/** The settings, and the events that are sent. */
export interface NotifyOptions {
  readonly config: NotifySettings
  readonly events: Events
  readonly clock: Clock
  readonly log: Log
}

/** All receivers together. */
export interface Notifier {
  /** Events that receivers wanted and did not get. */
  readonly lost: number
  /** Sends what is left, as far as receivers take it in time. */
  end(): Promise<void>
}

/** Sends what happens from now on. Throws Failure when the file of the secret cannot be read. */
export function openNotify({ config, events, clock, log }: NotifyOptions): Notifier {
  const { notifyUrl, notifyKinds, baseDomain } = config
  const key = secretOf(config)
  for (const pattern of notifyKinds) {
    if (!Object.keys(EVENT_KINDS).some(kind => fits(kind, pattern))) {
      log.warn('notify-kinds has a pattern that matches no kind of event', {
        pattern,
        cure: 'docs/events.md lists them',
      })
    }
  }
  const wants = (kind: string) => notifyKinds.some(pattern => fits(kind, pattern))
  const common = { wants, key, server: baseDomain, events, clock, random: Math.random, log }
  const webhooks = notifyUrl.map(url => new Webhook({ ...common, url: new URL(url) }))
  return {
    get lost() {
      return webhooks.reduce((sum, { lost }) => sum + lost, 0)
    },
    end: async () => {
      await Promise.all(webhooks.map(webhook => webhook.end()))
    },
  }
}

/** `tunnel.killed`, or all of a subject: `tunnel.*`, or all: `*`. */
export function fits(kind: string, pattern: string): boolean {
  if (pattern === '*') return true
  return pattern.endsWith('.*') ? kind.startsWith(pattern.slice(0, -1)) : kind === pattern
}

function secretOf({ notifySecret, notifySecretFile }: NotifySettings): Buffer | undefined {
  const secret = notifySecretFile === '' ? notifySecret : secretIn(notifySecretFile)
  return secret === '' ? undefined : keyOf(secret)
}

function secretIn(file: string): string {
  try {
    const secret = readFileSync(file, 'utf8').trim()
    if (secret !== '') return secret
  } catch (error) {
    throw unusable(file, systemCodeOf(error) || String(error), error)
  }
  throw unusable(file, 'it is empty')
}

function unusable(file: string, why: string, cause?: unknown): Failure {
  return new Failure('config-invalid', `the secret for webhooks cannot be read from ${file}: ${why}`, {
    cure: 'set notify-secret-file to a file that the user of pbt-server can read',
    cause,
  })
}
