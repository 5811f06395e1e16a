// Floods a DNS responder from one network at a steady rate: queries for what it has, for what it has not, damaged ones and junk.
import { createSocket } from 'node:dgram'
import { DNS_BASE, DNS_TYPES, dnsQuery, FLOOD_PER_SECOND } from './dns.ts'

const TICK_MS = 5
/** A sender that fell behind does not make up for more than this. */
const MOST_AT_ONCE = FLOOD_PER_SECOND / 20

const [port = '', seconds = ''] = process.argv.slice(2)
const query = (name: string) => dnsQuery(1, name, DNS_TYPES.txt)
const zone = `acme.${DNS_BASE}`
const packets = [
  query(zone),
  query(`a.b.${zone}`),
  query('other.test'),
  Buffer.alloc(300, 0x41),
  query(zone).subarray(0, 20),
]
const socket = createSocket('udp4')
let sent = 0
let answered = 0
socket.on('message', () => {
  answered += 1
})
socket.bind(0, '127.0.5.1', () => {
  console.log(JSON.stringify({ event: 'flooding' }))
  const began = performance.now()
  let due = 0
  const timer = setInterval(() => {
    const ms = performance.now() - began
    const now = Math.min((ms * FLOOD_PER_SECOND) / 1_000 - due, MOST_AT_ONCE)
    due += now
    for (; sent < due; sent += 1) {
      socket.send(packets[sent % packets.length] ?? Buffer.alloc(0), Number(port), '127.0.0.1', () => {})
    }
    due = Math.max(due, (ms * FLOOD_PER_SECOND) / 1_000 - MOST_AT_ONCE)
    if (ms < Number(seconds) * 1_000) return
    clearInterval(timer)
    console.log(JSON.stringify({ event: 'over', sent, answered, seconds: Math.round(ms / 100) / 10 }))
    socket.close()
  }, TICK_MS)
})
