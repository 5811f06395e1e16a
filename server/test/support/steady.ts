// Programs that a test starts in network namespaces, where it cannot be itself: an echo, a visitor who never stops talking and
// counts, and a name server. They say what they do as JSON lines.
import { createSocket } from 'node:dgram'
import { connect, createServer, type Socket } from 'node:net'
import { AUTHORITATIVE_ANSWER, decode, encode, RECURSION_DESIRED } from 'dns-packet'

const EVERY_MS = 20
const PIECE = 4_096

const [what = '', ...args] = process.argv.slice(2)
if (what === 'echo') echo(Number(args[0]))
else if (what === 'visit') visit(Number(args[0]))
else if (what === 'names') names(args[0] ?? '', args[1] ?? '')
else throw new Error(`steady.ts knows no "${what}"`)

function tell(event: string, fields: object = {}): void {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`)
}

function echo(port: number): void {
  createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  }).listen(port, '127.0.0.1', () => tell('ready'))
}

/** The n-th piece, unlike all others. */
function piece(index: number): Uint8Array {
  return Buffer.alloc(PIECE, `${index};`)
}

/** Sends a piece at a time, more than the echo is ahead of; at SIGTERM no more, and `done` once all has come back. */
function visit(port: number): void {
  const socket = connect(port, '127.0.0.1')
  let [sent, heard, isEnding] = [0, 0, false]
  let rest = Buffer.alloc(0)
  let lastAt = performance.now()
  const timer = setInterval(() => {
    if (!isEnding && sent - heard < 200) socket.write(piece(sent++))
  }, EVERY_MS)
  const end = (event: string, fields: object) => {
    clearInterval(timer)
    tell(event, fields)
    socket.destroy()
    process.exit(0)
  }
  socket.on('data', (chunk: Buffer) => {
    const isFirst = heard === 0
    rest = Buffer.concat([rest, chunk])
    for (; rest.length >= PIECE; rest = rest.subarray(PIECE)) {
      if (!rest.subarray(0, PIECE).equals(piece(heard))) end('wrong', { piece: heard })
      heard++
    }
    const now = performance.now()
    if (now - lastAt > 1_000) tell('gap', { ms: Math.round(now - lastAt) })
    lastAt = now
    if (isFirst && heard > 0) tell('begun')
    if (isEnding && heard === sent) end('done', { pieces: heard })
  })
  socket.on('error', ({ message }) => end('cut', { message, heard }))
  socket.on('close', () => end('cut', { message: 'closed', heard }))
  process.on('SIGTERM', () => {
    isEnding = true
    if (heard === sent) end('done', { pieces: heard })
  })
}

/** Answers every question for an IPv4 address with this one; from one SIGUSR2 to the next it says nothing to anybody. */
function names(listen: string, address: string): void {
  const socket = createSocket('udp4')
  let isSilent = false
  process.on('SIGUSR2', () => {
    isSilent = !isSilent
    tell(isSilent ? 'silent' : 'answering')
  })
  socket.on('message', (message, from) => {
    if (isSilent) return
    const { id, questions = [] } = decode(message)
    const answers = questions.flatMap(({ name, type }) =>
      type === 'A' ? [{ type: 'A' as const, name, ttl: 1, data: address }] : [],
    )
    const flags = RECURSION_DESIRED | AUTHORITATIVE_ANSWER
    socket.send(encode({ type: 'response', id: id ?? 0, flags, questions, answers }), from.port, from.address)
  })
  socket.bind(53, listen, () => tell('ready'))
}
