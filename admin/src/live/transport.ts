// The one way to the server: its own host, with the session's cookie.
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect'
import { createConnectTransport } from '@connectrpc/connect-web'
import { ErrorInfoSchema } from '@pbt/proto/google/rpc'
import { fetchOrTakeEarly } from './early'

/** No question of a page takes longer, milliseconds; streams have none. */
const QUESTION_MS = 15_000

/** On the window: the session has ended, for all that this tab shows. */
export const LOGGED_OUT = 'pbt-logged-out'

/** A question may be the first one to hear it: the event stream is judged by the server, and not by the cookies of this browser. */
const tellEnd: Interceptor = next => async request => {
  try {
    return await next(request)
  } catch (error) {
    const isLogin = request.method.name === 'Login'
    if (!isLogin && ConnectError.from(error).code === Code.Unauthenticated) dispatchEvent(new Event(LOGGED_OUT))
    throw error
  }
}

export const transport = createConnectTransport({
  baseUrl: '/',
  useBinaryFormat: true,
  defaultTimeoutMs: QUESTION_MS,
  fetch: fetchOrTakeEarly,
  interceptors: [tellEnd],
})

/** What went wrong, what to do, and pbt's own code for it. */
export interface Trouble {
  readonly what: string
  readonly cure: string
  readonly reason: string
  readonly code: Code
  /** Values of the error's own, by name: retry_after, replaced_at. */
  readonly fields: Readonly<Record<string, string>>
}

/** Of a question that got no answer: browsers have words of their own for it, which help nobody. */
const NO_ANSWER = {
  what: 'pbt-server did not answer',
  cure: 'try again when there is contact; what was asked for may have been done',
}

/** An error of a question, for people. */
export function troubleOf(error: unknown): Trouble {
  const failed = ConnectError.from(error)
  if (failed.code === Code.DeadlineExceeded || failed.cause instanceof TypeError)
    return { ...NO_ANSWER, reason: '', code: failed.code, fields: {} }
  const [info] = failed.findDetails(ErrorInfoSchema)
  const { cure = '', ...fields } = info?.metadata ?? {}
  return { what: failed.rawMessage, cure, reason: info?.reason ?? '', code: failed.code, fields }
}
