// `pbt-server explain`: why a visitor gets what they get, step by step.
import { type Check, Check_State as State } from '@pbt/proto/admin/v1'
import { Failure } from '../failure.ts'
import { withApi } from './api.ts'
import type { Command } from './command.ts'
import type { CheckItem } from './events.ts'

/** Fails with `not-reachable` when the visitor does not get there, after all steps were shown. */
export const explain: Command = {
  name: 'explain',
  summary: 'show step by step whether a visitor reaches an address and, if not, why',
  positionals: [['<address>', 'an address or a URL, such as "app", "https://app.example.com/" or "tcp:20022"']],
  options: [{ name: 'from', doc: "the visitor's IP address; without it: a visitor who is allowed" }],
  run: async ({ settings, values }, output) => {
    const request = { address: String(values.address), peer: String(values.from ?? '') }
    const { checks, verdict, isReachable } = await withApi(settings, api => api.server.explain(request))
    output({ list: 'check', items: checks.map(itemOf), verdict })
    const failed = checks.find(({ state }) => state === State.FAILED)
    // For scripts: an address that cannot be reached is not all right.
    if (!isReachable) throw new Failure('not-reachable', verdict, { cure: failed?.cure ?? '' })
  },
}

function itemOf({ step, state, message, cure }: Check): CheckItem {
  return {
    ...{ step, state: state === State.OK ? 'ok' : state === State.FAILED ? 'failed' : 'not-checked', message },
    ...(cure === '' ? {} : { cure }),
  }
}
