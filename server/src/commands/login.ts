// `pbt-server login`: a link to the panel that works once.
import { withApi } from './api.ts'
import { type Command, timeIn } from './command.ts'

/** Needs a running server, which makes the link. */
export const login: Command = {
  name: 'login',
  summary: 'print a link to the panel, valid once and for a minute',
  run: async ({ settings }, output) => {
    const { url, endTime } = await withApi(settings, api => api.panel.createLoginLink({}))
    output({ event: 'login', url, endsAt: timeIn(endTime) ?? new Date(0) })
  },
}
