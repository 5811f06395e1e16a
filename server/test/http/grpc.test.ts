// A gRPC service behind `--target-protocol h2c`: unary and streaming calls with their status, by an ordinary client.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'
import { startPbt } from '../support/programs.ts'

const pass = (message: Buffer): Buffer => message
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: pass,
  requestDeserialize: pass,
  responseSerialize: pass,
  responseDeserialize: pass,
})

async function echoService(t: TestContext): Promise<number> {
  const server = new Server()
  server.addService(
    {
      Unary: method('Unary', false, false),
      Fail: method('Fail', false, false),
      Down: method('Down', false, true),
      Up: method('Up', true, false),
      Both: method('Both', true, true),
    },
    {
      Unary: (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => done(null, call.request),
      Fail: (_call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
        done({ code: status.NOT_FOUND, details: 'no such thing' })
      },
      Down: (call: ServerWritableStream<Buffer, Buffer>) => {
        for (let count = 0; count < 5; count++) call.write(Buffer.from(`${call.request}${count}`))
        call.end()
      },
      Up: (call: ServerReadableStream<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
        let bytes = 0
        call.on('data', (message: Buffer) => {
          bytes += message.length
        })
        call.on('end', () => done(null, Buffer.from(String(bytes))))
      },
      Both: (call: ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', (message: Buffer) => call.write(message))
        call.on('end', () => call.end())
      },
    },
  )
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  t.after(() => server.forceShutdown())
  return port
}

test('D4: unary and streaming gRPC calls pass with their messages, status and trailers', async t => {
  const port = await echoService(t)
  const { server } = await startPbt(t, port, { args: ['--target-protocol', 'h2c'] })
  const client = new Client(`127.0.0.1:${server.https}`, credentials.createSsl(readFileSync(server.ca)), {
    'grpc.ssl_target_name_override': 'app.localhost',
    'grpc.default_authority': 'app.localhost',
  })
  t.after(() => client.close())
  const unary = (name: string) =>
    new Promise<Buffer>((resolve, reject) => {
      client.makeUnaryRequest(
        `/test.Echo/${name}`,
        pass,
        pass,
        Buffer.from('hello'),
        new Metadata(),
        (error, answer) => {
          if (error === null) resolve(answer ?? Buffer.alloc(0))
          else reject(error)
        },
      )
    })
  assert.equal(String(await unary('Unary')), 'hello')
  await assert.rejects(unary('Fail'), { code: status.NOT_FOUND, details: 'no such thing' })

  const heard: string[] = []
  for await (const message of client.makeServerStreamRequest('/test.Echo/Down', pass, pass, Buffer.from('n'))) {
    heard.push(String(message))
  }
  assert.deepEqual(heard, ['n0', 'n1', 'n2', 'n3', 'n4'])

  const total = await new Promise<Buffer>((resolve, reject) => {
    const call = client.makeClientStreamRequest('/test.Echo/Up', pass, pass, new Metadata(), (error, answer) => {
      if (error === null) resolve(answer ?? Buffer.alloc(0))
      else reject(error)
    })
    for (let count = 0; count < 20; count++) call.write(Buffer.alloc(50_000))
    call.end()
  })
  assert.equal(String(total), '1000000')

  // One after the other, so that each answer comes while the request is still open.
  const both = client.makeBidiStreamRequest('/test.Echo/Both', pass, pass)
  const answers: string[] = []
  both.write(Buffer.from('0'))
  for await (const message of both) {
    answers.push(String(message))
    if (answers.length < 5) both.write(Buffer.from(String(answers.length)))
    else both.end()
  }
  assert.deepEqual(answers, ['0', '1', '2', '3', '4'])
})
