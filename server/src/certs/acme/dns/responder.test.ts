import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { systemClock } from '@pbt/proto'
import { type DecodedPacket, decode, encode } from 'dns-packet'
import { Responder } from './responder.ts'

const APEX = 'acme.tunnel.example'
const VALUE = 'LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0'
const LONG = Array.from({ length: 30 }, (_, index) => String(index).padEnd(43, 'x'))
const TXTS: Readonly<Record<string, readonly string[]>> = {
  [`one.${APEX}`]: [VALUE],
  [`many.${APEX}`]: LONG,
  [`none.${APEX}`]: [],
}
const texts = { txt: (name: string) => Promise.resolve(TXTS[name]) }
/** Those of Debian's dnsutils and knot-dnsutils. */
const PACKAGES = { dig: 'dnsutils', delv: 'dnsutils', kdig: 'knot-dnsutils' } as const
type Tool = keyof typeof PACKAGES

const run = promisify(execFile)
let responder: Responder
const missing = new Set<string>()

before(async () => {
  const zone = { baseDomain: 'tunnel.example', texts, serial: () => 1 }
  responder = await Responder.open({
    ...{ zone, clock: systemClock, kept: [], isShared: false, port: 0 },
    addresses: ['127.0.0.1', '::1'],
  })
  for (const [tool, pack] of Object.entries(PACKAGES)) if (!(await isThere(tool, pack))) missing.add(tool)
})
after(() => responder.close())

async function isThere(tool: string, pack: string): Promise<boolean> {
  const works = () =>
    run('/bin/sh', ['-c', `command -v ${tool}`]).then(
      () => true,
      () => false,
    )
  if (await works()) return true
  const options = { timeout: 60_000 }
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', pack], options).catch(() => {})
  return await works()
}

async function ask(tool: Tool, ...words: string[]): Promise<string> {
  const port = String(responder.port)
  const place = tool === 'delv' ? ['@127.0.0.1', '-p', port, '+noroot'] : ['@127.0.0.1', '-p', port]
  // kdig ends with an error when what it asked is refused.
  const said = run(tool, [...place, ...words], { timeout: 20_000 })
  const { stdout, stderr } = await said.catch((error: { stdout: string; stderr: string }) => error)
  return stdout + stderr
}

describe('tools of administrators', () => {
  for (const [tool, words, ...expected] of [
    [
      'dig',
      [`one.${APEX}`, 'TXT'],
      /status: NOERROR/,
      /flags: qr aa rd;/,
      new RegExp(VALUE),
      /EDNS: version: 0.*udp: 1232/,
    ],
    ['dig', ['+tcp', `one.${APEX}`, 'TXT'], new RegExp(VALUE), /\(TCP\)/],
    ['dig', ['+noedns', `one.${APEX}`, 'TXT'], new RegExp(VALUE)],
    ['dig', ['+edns=1', '+noednsnegotiation', `one.${APEX}`, 'TXT'], /status: BADVERS/],
    ['dig', ['+bufsize=512', '+ignore', `many.${APEX}`, 'TXT'], /flags: qr aa tc/, /ANSWER: 0/],
    ['dig', ['+bufsize=4096', `many.${APEX}`, 'TXT'], /Truncated, retrying in TCP/, /ANSWER: 30/],
    ['dig', ['oNe.aCmE.tUnNeL.eXaMpLe', 'TXT'], /^oNe\.aCmE\.tUnNeL\.eXaMpLe\.\s+1\s+IN\s+TXT/m],
    ['dig', [`none.${APEX}`, 'TXT'], /status: NOERROR/, /ANSWER: 0, AUTHORITY: 1/],
    ['dig', [`one.${APEX}`, 'CAA'], /status: NOERROR/, /ANSWER: 0, AUTHORITY: 1/],
    ['dig', [`nobody.${APEX}`, 'A'], /status: NXDOMAIN/, /AUTHORITY: 1/],
    ['dig', [APEX, 'NS', '+norecurse'], /^acme\.tunnel\.example\.\s+300\s+IN\s+NS\s+tunnel\.example\.$/m],
    ['dig', [APEX, 'SOA'], /SOA\s+tunnel\.example\. hostmaster\.tunnel\.example\. 1 3600 600 86400 10/],
    ['dig', [APEX, 'AXFR'], /Transfer failed/],
    ['dig', [`one.${APEX}`, 'ANY', '+notcp'], /HINFO\s+"RFC8482" ""/],
    ['dig', ['example.com', 'A'], /status: REFUSED/],
    ['dig', ['version.bind', 'CH', 'TXT'], /status: REFUSED/],
    ['dig', ['+opcode=notify', APEX, 'SOA'], /status: NOTIMP/],
    ['dig', ['+header-only', APEX], /status: FORMERR/],
    [
      'dig',
      ['+cookie', '+nsid', '+subnet=192.0.2.0/24', '+dnssec', `one.${APEX}`, 'TXT'],
      new RegExp(VALUE),
      /flags: do;/,
    ],
    ['kdig', [`one.${APEX}`, 'TXT'], /status: NOERROR/, new RegExp(VALUE)],
    ['kdig', ['+tcp', '+keepopen', `one.${APEX}`, 'TXT', `none.${APEX}`, 'TXT'], new RegExp(VALUE), /AUTHORITY: 1/],
    ['kdig', ['+edns=1', `one.${APEX}`, 'TXT'], /BADVERS/],
    ['kdig', [APEX, 'IXFR=1'], /REFUSED/],
    ['delv', [`one.${APEX}`, 'TXT'], /^; authoritative$/m, new RegExp(VALUE)],
  ] as const) {
    test(`${tool} ${words.join(' ')}`, async t => {
      if (missing.has(tool)) {
        t.skip(`${tool} is not there and cannot be installed (Debian's ${PACKAGES[tool]})`)
        return
      }
      const seen = await ask(tool, ...words)
      for (const each of expected) assert.match(seen, each)
    })
  }

  test('over IPv6', async t => {
    if (missing.has('dig')) {
      t.skip("dig is not there and cannot be installed (Debian's dnsutils)")
      return
    }
    for (const transport of ['+notcp', '+tcp']) {
      const words = ['@::1', '-p', String(responder.port), transport, `one.${APEX}`, 'TXT']
      assert.match((await run('dig', words)).stdout, new RegExp(VALUE))
    }
  })
})

const query = (name = `one.${APEX}`) => encode({ type: 'query', id: 77, questions: [{ name, type: 'TXT' }] })

function framed(packet: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(packet.length)
  return Buffer.concat([length, packet])
}

async function dialled(localAddress = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: responder.port, localAddress })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** All that comes until the other side ends. */
async function rest(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close')
  return Buffer.concat(chunks)
}

describe('TCP', () => {
  test('queries one after the other without waiting are answered in order', async () => {
    const socket = await dialled('127.0.1.1')
    socket.end(Buffer.concat(Array.from({ length: 20 }, () => framed(query()))))
    const answers = await rest(socket)
    const size = answers.readUInt16BE(0) + 2
    assert.equal(answers.length, 20 * size)
    assert.equal(decode(answers.subarray(2, size)).id, 77)
  })

  test('a query in single bytes is answered', async () => {
    const socket = await dialled('127.0.1.1')
    socket.setNoDelay(true)
    for (const byte of framed(query())) socket.write(Buffer.from([byte]))
    const [answer] = (await once(socket, 'data')) as [Buffer]
    assert.equal(decode(answer.subarray(2)).answers?.length, 1)
    socket.destroy()
  })

  for (const [what, bytes] of [
    ['a message longer than any query', Buffer.from([0xff, 0xff])],
    ['an answer', framed(encode({ type: 'response', questions: [{ name: APEX, type: 'TXT' }] }))],
    ['more queries than one connection may send', Buffer.concat(Array.from({ length: 200 }, () => framed(query())))],
  ] as const) {
    test(`${what} ends the connection`, async () => {
      const socket = await dialled('127.0.2.1')
      socket.write(bytes)
      const answers = await rest(socket)
      assert.ok(answers.length <= 100 * 200)
    })
  }

  test('one network has 16 connections, and the most silent gives way', async () => {
    const held = await Promise.all(Array.from({ length: 16 }, () => dialled('127.0.3.1')))
    const first = held[0]
    assert.ok(first !== undefined)
    const ended = Promise.race(held.map(socket => once(socket, 'close')))
    const other = await dialled('127.0.4.1')
    const next = await dialled('127.0.3.1')
    await ended
    assert.equal(held.filter(socket => socket.destroyed || socket.readableEnded).length, 1)
    for (const socket of [other, next]) {
      socket.write(framed(query()))
      await once(socket, 'data')
    }
    for (const socket of [...held, other, next]) socket.destroy()
  })
})

describe('a flood', () => {
  /** 20,000 a second: queries, damaged ones and junk, until it is ended. */
  const FLOOD = `
    const socket = require('node:dgram').createSocket('udp4')
    const packets = JSON.parse(process.argv[2]).map(text => Buffer.from(text, 'base64'))
    let sent = 0
    socket.bind(0, '127.0.5.1', () => {
      const began = performance.now()
      setTimeout(() => process.stdout.write('flooding'), 100)
      setInterval(() => {
        const due = 20 * (performance.now() - began)
        for (; sent < due; sent++) socket.send(packets[sent % packets.length], Number(process.argv[1]), '127.0.0.1', () => {})
      }, 1)
    })`
  /** A resolver asks again when nothing comes: the system drops what is too much for it, whoever has sent it (RFC 1035, 4.2.1). */
  const AGAIN_MS = 100
  /** More at one go than one network is answered in full. */
  const TOO_MANY = 300

  /** The first answer of this kind to a question with this number, that is asked so many times at one go, within 5 s. */
  async function answered(
    asker: DatagramSocket,
    id: number,
    times = 1,
    fits = (_answer: DecodedPacket) => true,
  ): Promise<DecodedPacket> {
    const question = encode({ type: 'query', id, questions: [{ name: `one.${APEX}`, type: 'TXT' }] })
    const send = () => {
      for (let count = 0; count < times; count++) asker.send(question, responder.port, '127.0.0.1')
    }
    const again = setInterval(send, AGAIN_MS)
    const signal = AbortSignal.timeout(5_000)
    try {
      send()
      for (;;) {
        const [packet] = (await once(asker, 'message', { signal })) as [Buffer]
        const answer = decode(packet)
        if (answer.id === id && fits(answer)) return answer
      }
    } finally {
      clearInterval(again)
    }
  }

  test('of 20,000 a second from one network leaves another its answers, and its own are sent to TCP', async t => {
    const junk = [query(), query(`many.${APEX}`), Buffer.alloc(300, 0x41), query().subarray(0, 20), Buffer.alloc(12)]
    const packets = JSON.stringify(junk.map(packet => packet.toString('base64')))
    const flooder = spawn(process.execPath, ['-e', FLOOD, String(responder.port), packets])
    t.after(() => flooder.kill('SIGKILL'))
    await once(flooder.stdout, 'data')
    const asker = createSocket('udp4')
    t.after(() => asker.close())
    const seen = ({ full, limited, ignored } = responder.answered) => full + limited + ignored
    const [began, seenBefore, limitedBefore] = [performance.now(), seen(), responder.answered.limited]
    let slowestMs = 0
    for (let id = 1; id <= 20; id++) {
      // So much of the flood comes before each question; within the test's own time.
      while (seen() < seenBefore + id * 1_000) await new Promise(resolve => setImmediate(resolve))
      const askedAt = performance.now()
      assert.equal((await answered(asker, id)).answers?.length, 1)
      slowestMs = Math.max(slowestMs, performance.now() - askedAt)
    }
    const rate = (seen() - seenBefore) / (performance.now() - began)
    t.diagnostic(
      `${Math.round(rate * 1_000)} a second came, ${responder.answered.limited - limitedBefore} were sent to TCP; another network's 20 questions were answered within ${Math.ceil(slowestMs)} ms`,
    )
    assert.ok(responder.answered.limited > limitedBefore)

    // The network of the flood is told to use TCP, and served there. It asks for too much by itself: the flood may hold its breath.
    const limited = createSocket('udp4')
    t.after(() => limited.close())
    await new Promise<void>(resolve => limited.bind(0, '127.0.5.2', resolve))
    const toTcp = await answered(limited, 21, TOO_MANY, ({ flag_tc }) => flag_tc)
    assert.equal(toTcp.answers?.length, 0)
    const socket = await dialled('127.0.5.2')
    socket.write(framed(query()))
    const [answer] = (await once(socket, 'data')) as [Buffer]
    assert.equal(decode(answer.subarray(2)).answers?.length, 1)
    socket.destroy()
  })
})

test('the port is free again afterwards, and a taken one is an error that leaves nothing open', async () => {
  const zone = { baseDomain: 'tunnel.example', texts, serial: () => 1 }
  const options = { zone, clock: systemClock, kept: [], isShared: false, addresses: ['127.0.0.1'] }
  const one = await Responder.open({ ...options, port: 0 })
  await assert.rejects(Responder.open({ ...options, port: one.port }), { code: 'EADDRINUSE' })
  const { port } = one
  await one.close()
  const other = await Responder.open({ ...options, port })
  await other.close()
})
