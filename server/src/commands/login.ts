// `pbt-server login`: a link to the panel that works once.
import { withApi } from './api.ts'
import { type Command, durationIn, timeIn } from './command.ts'

/** Needs a running server, which makes the link. */
export const login: Command = {
  name: 'login',
  summary: 'print a link to the panel, valid once, and for a minute unless you say otherwise',
  options: [{ name: 'for', doc: 'how long the link is good, for example 15m; at most 1h' }],
  run: async ({ settings, values }, output) => {
    const { duration: lifetime } = durationIn('for', values.for)
    const { url, endTime } = await withApi(settings, api => api.panel.createLoginLink(lifetime ? { lifetime } : {}))
    output({ event: 'login', url, endsAt: timeIn(endTime) ?? new Date(0) })
  },
}
