// A GET of a small text over HTTPS from a server with a CA of its own.
import { get } from 'node:https'

export interface TextAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** `ca`: in PEM. */
export function httpsText(url: string, ca: string): Promise<TextAnswer> {
  return new Promise((resolve, reject) => {
    const request = get(url, { ca, agent: false }, response => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', chunk => {
        body += chunk
      })
      response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
      response.once('error', reject)
    })
    request.once('error', reject)
  })
}
