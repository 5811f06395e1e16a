// Ten thousand bodies that are nearly right, in the three forms of the API: each gets an answer, none is a fault of the server,
// and the server goes on as before.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { type TestContext, test } from 'node:test'
import {
  create,
  type DescField,
  type DescMessage,
  type DescMethod,
  type Message,
  toBinary,
  toJsonString,
} from '@bufbuild/protobuf'
import { reflect } from '@bufbuild/protobuf/reflect'
import * as admin from '@pbt/proto/admin/v1'
import { callApi, request2 } from '../support/admin.ts'
import { memoryMib } from '../support/memory.ts'
import { mutated, type Random, seeded } from '../support/mutations.ts'
import { type RunningServer, startServer } from '../support/programs.ts'

const BODIES = 10_000
const AT_ONCE = 64
/** What the server may have more of afterwards, MiB: its heap grows a little, and no body is kept. */
const MAX_GROWTH_MIB = 96
/**
 * Two would end the token that the test shows, by a body that is right by chance; wrong logins of the third have its address limited, and
 * nothing else would be looked at.
 */
const SPARED = new Set(['RotateToken', 'RevokeToken', 'Login'])
/** Of the status lines of gRPC: INTERNAL, UNKNOWN and DATA_LOSS are faults of a server. */
const FAULTS = new Set(['2', '13', '15'])
/** Bytes that are no message are INTERNAL by gRPC's own conventions; what they are is said. */
const NO_MESSAGE = /^(?:parse binary: |protocol error: |received compressed envelope)/

interface Form {
  readonly name: string
  readonly type: string
  readonly bodyOf: (schema: DescMessage, message: Message) => Buffer
}

const enveloped = (schema: DescMessage, message: Message) => {
  const bytes = toBinary(schema, message)
  const head = Buffer.alloc(5)
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

const FORMS: readonly Form[] = [
  {
    name: 'Connect JSON',
    type: 'application/json',
    bodyOf: (schema, message) => Buffer.from(toJsonString(schema, message)),
  },
  { name: 'gRPC', type: 'application/grpc+proto', bodyOf: enveloped },
  { name: 'gRPC-Web', type: 'application/grpc-web+proto', bodyOf: enveloped },
]

function methods(): DescMethod[] {
  return Object.values(admin).flatMap(value =>
    typeof value === 'object' && 'kind' in value && value.kind === 'service'
      ? value.methods.filter(({ methodKind, name }) => methodKind === 'unary' && !SPARED.has(name))
      : [],
  )
}

const TEXTS = ['', 'app', 'tcp:20022', '203.0.113.7', '10.0.0.0/8', 'x'.repeat(300), '‮\u0000', '*.mine.uk', 'app, app']

/** A message with some of its fields set. */
function filled(random: Random, schema: DescMessage, depth = 0): Message {
  const message = create(schema)
  const view = reflect(schema, message)
  for (const field of schema.fields) {
    if (random(3) === 0) continue
    const value = valueFor(random, field, depth)
    if (field.fieldKind === 'scalar' || field.fieldKind === 'enum') view.set(field, value as never)
    else if (field.fieldKind === 'message' && depth < 3) view.set(field, reflect(field.message, value as Message))
  }
  return message
}

function valueFor(random: Random, field: DescField, depth: number): unknown {
  if (field.fieldKind === 'enum') return field.enum.values[random(field.enum.values.length)]?.number ?? 0
  if (field.fieldKind === 'message') return depth < 3 ? filled(random, field.message, depth + 1) : undefined
  if (field.fieldKind !== 'scalar') return undefined
  switch (field.scalar) {
    case 9:
      return TEXTS[random(TEXTS.length)]
    case 12:
      return new Uint8Array(random(64))
    case 8:
      return random(2) === 0
    case 3:
    case 4:
      return BigInt(random(2 ** 31))
    default:
      return random(1_000)
  }
}

/** What was wrong with an answer, '' for nothing. */
async function answerTo(session: ClientHttp2Session, server: RunningServer, path: string, type: string, body: Buffer) {
  const { status, headers, json } = await request2(
    session,
    {
      ...{ ':method': 'POST', ':path': path, ':authority': `admin.localhost:${server.https}` },
      ...{ 'content-type': type, 'connect-protocol-version': '1', authorization: `Bearer ${server.token}` },
    },
    body,
  )
  if (status === 0) return 'no answer'
  if (status === 429) return 'limited: nothing was looked at'
  if (status >= 500 && status !== 501) return `status ${status}`
  const message = decodeURIComponent(headers['grpc-message'] ?? '')
  if (FAULTS.has(headers['grpc-status'] ?? '') && !NO_MESSAGE.test(message)) {
    return `gRPC status ${headers['grpc-status']}: ${message}`
  }
  return json.code === 'internal' || json.code === 'unknown' ? `code ${json.code}` : ''
}

function connected(t: TestContext, server: RunningServer): ClientHttp2Session {
  const session = connectHttp2(`https://localhost:${server.https}`, {
    ca: readFileSync(server.ca),
    servername: 'admin.localhost',
  })
  session.on('error', () => {})
  t.after(() => session.destroy())
  return session
}

test('10,000 mutated bodies are answered, none with a fault of the server, which goes on and keeps none of them', async t => {
  const seed = Date.now() % 1_000_000
  t.diagnostic(`seed ${seed}`)
  const random = seeded(seed)
  const server = await startServer(t)
  const session = connected(t, server)
  const all = methods()
  assert.ok(all.length > 30, `${all.length} methods`)
  const faults: string[] = []
  let before = 0
  let next = 0
  const worker = async () => {
    while (next < BODIES) {
      const number = next++
      if (number === 1_000) before = memoryMib(server.program)
      const method = all[number % all.length]
      const form = FORMS[number % FORMS.length]
      if (method === undefined || form === undefined) continue
      const body = mutated(random, form.bodyOf(method.input, filled(random, method.input)))
      const path = `/${method.parent.typeName}/${method.name}`
      const wrong = await answerTo(session, server, path, form.type, body)
      if (wrong !== '') faults.push(`${form.name} ${path} ${body.toString('base64')}: ${wrong}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  assert.deepEqual(faults.slice(0, 5), [], `seed ${seed}: ${faults.length} faults`)
  const growth = memoryMib(server.program) - before
  assert.ok(growth < MAX_GROWTH_MIB, `seed ${seed}: ${growth} MiB more`)
  const { status, json } = await callApi(t, server, 'TokenService/ListTokens', {}, { token: server.token })
  assert.deepEqual([status, Array.isArray(json.tokens)], [200, true])
  assert.equal(/"level":"error"/.test(server.program.stderr), false, server.program.stderr.slice(-2_000))
})
