// The signature of a webhook, after Standard Webhooks (https://www.standardwebhooks.com): receivers verify it with a library of theirs.
import { createHmac } from 'node:crypto'

const PREFIX = 'whsec_'

/** The key of a secret: what follows `whsec_` in base64, anything else as it is written. */
export function keyOf(secret: string): Buffer {
  return secret.startsWith(PREFIX) ? Buffer.from(secret.slice(PREFIX.length), 'base64') : Buffer.from(secret)
}

/** The fields of a message: its id, when it is sent (seconds since 1970), and with a key HMAC-SHA256 over both and the body. */
export function signedFields(
  id: string,
  seconds: number,
  body: string,
  key: Buffer | undefined,
): Record<string, string> {
  const fields = { 'webhook-id': id, 'webhook-timestamp': String(seconds) }
  if (key === undefined) return fields
  const signature = createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')
  return { ...fields, 'webhook-signature': `v1,${signature}` }
}
