// What a CA can do wrong at each stage of an order, and what is to be told of it.
import type { IssueFailure } from '../../../src/certs/acme/types.ts'
import { answerWith, changed, problem, type Rule } from './fault-proxy.ts'

/** A rule, what comes of it, and how many requests of that stage are made. */
type Case = readonly [title: string, rule: Rule, expected: Partial<IssueFailure>, words: RegExp, requests: number]

/** At one stage of an order, each time. */
export const at =
  (stage: string, fault: ReturnType<Rule>): Rule =>
  request =>
    request.stage === stage ? fault : undefined

/** Each for an order of the one name fault.example.test, by HTTP-01. */
export const CA_FAULTS: readonly Case[] = [
  [
    '503 with Retry-After and a page',
    at('directory', answerWith(503, '<html>maintenance</html>', { 'content-type': 'text/html', 'retry-after': '120' })),
    { code: 'unreachable', stage: 'directory', retryAfterMs: 120_000 },
    /^the CA answered 503$/,
    1,
  ],
  [
    '429 with Retry-After',
    at(
      'newOrder',
      problem(429, 'rateLimited', 'too many certificates (5) already issued for this exact set', {
        'retry-after': '3600',
      }),
    ),
    { code: 'ca', type: 'rateLimited', stage: 'newOrder', retryAfterMs: 3_600_000, pausedLink: '' },
    /^too many certificates \(5\)/,
    1,
  ],
  [
    '500 where nothing changes',
    at('certificate', problem(500, 'serverInternal', 'not yet')),
    { code: 'ca', stage: 'certificate' },
    /^not yet$/,
    3,
  ],
  [
    'nonsense for a directory',
    at('directory', answerWith(200, '{"newNonce":')),
    { code: 'unreachable', stage: 'directory' },
    /directory has no "newNonce"/,
    1,
  ],
  [
    'a directory of plain http',
    at(
      'directory',
      changed(all => Object.assign(all, { newOrder: 'http://127.0.0.1/' })),
    ),
    { code: 'unreachable' },
    /"http:\/\/127.0.0.1\/" for an https address/,
    1,
  ],
  [
    'an endless answer',
    at('authorization', answerWith(200, `{"a":"${'x'.repeat(300_000)}"}`)),
    { code: 'unreachable', stage: 'authorization' },
    /more than 256 KiB/,
    1,
  ],
  [
    'an authorization for somebody else',
    at(
      'authorization',
      changed(all => Object.assign(all, { identifier: { value: 'other.test' } })),
    ),
    { code: 'unreachable' },
    /an authorization for "other.test"/,
    1,
  ],
  [
    'a token that leads elsewhere',
    at(
      'authorization',
      changed(all =>
        Object.assign(all, {
          status: 'pending',
          challenges: [{ type: 'http-01', url: 'https://localhost/', token: '../../admin' }],
        }),
      ),
    ),
    { code: 'unreachable' },
    /a token that is none/,
    1,
  ],
  [
    'a challenge at another host',
    at(
      'authorization',
      changed(all =>
        Object.assign(all, {
          status: 'pending',
          challenges: [{ type: 'http-01', url: 'https://169.254.169.254/', token: 'a'.repeat(43) }],
        }),
      ),
    ),
    { code: 'unreachable', stage: 'challenge' },
    /which its directory does not name/,
    1,
  ],
  [
    'no challenge of our kind',
    at(
      'authorization',
      changed(all => Object.assign(all, { status: 'pending', challenges: [{ type: 'dns-01' }] })),
    ),
    { code: 'ca', name: 'fault.example.test' },
    /does not offer http-01 for fault.example.test; it offers dns-01/,
    1,
  ],
  [
    'cut in the middle of the chain',
    at('certificate', { kind: 'cut' }),
    { code: 'unreachable', stage: 'certificate' },
    /ended the connection|aborted/,
    3,
  ],
  [
    'no certificate',
    at('certificate', answerWith(200, 'none')),
    { code: 'unreachable', stage: 'certificate' },
    /no certificate where it is to be/,
    1,
  ],
]
