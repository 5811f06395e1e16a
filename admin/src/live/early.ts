// The event stream is asked for by the page's first line, while its scripts are still on their way: they find its answer under way.

/** Of the method `Watch`: all anew. A message without fields, in an envelope of Connect's: flags and a length of four bytes. */
const PATH = '/pbt.admin.v1.ServerService/Watch'
const ENVELOPE_BYTES = 5

/** Runs in the head of every page but the login, unless nobody looks. */
export const EARLY_WATCH = `if(!document.hidden&&location.pathname!=='/login'){let e=new AbortController,a=fetch('${PATH}',{method:'POST',headers:{'content-type':'application/connect+proto','connect-protocol-version':'1'},redirect:'error',signal:e.signal,body:new Uint8Array(${ENVELOPE_BYTES})});a.catch(()=>{});globalThis.pbtEarly={a,e}}`

interface Early {
  readonly a: Promise<Response>
  readonly e: AbortController
}

/** As `fetch`; the first question for the whole stream gets the answer that is under way. */
export const fetchOrTakeEarly: typeof fetch = (input, init) => {
  const place = globalThis as { pbtEarly?: Early | undefined }
  const { pbtEarly } = place
  const isWatch = pbtEarly !== undefined && typeof input === 'string' && input.endsWith(PATH)
  if (!isWatch) return fetch(input, init)
  place.pbtEarly = undefined
  const { a: answer, e: end } = pbtEarly
  const isWhole = init?.body instanceof Uint8Array && init.body.length === ENVELOPE_BYTES
  if (!isWhole || init.signal?.aborted) {
    end.abort()
    return fetch(input, init)
  }
  init.signal?.addEventListener('abort', () => end.abort(init.signal?.reason))
  return answer
}
