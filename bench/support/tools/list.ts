// What is tried: which programs it needs, and what has to come out of it.

import { once } from 'node:events'
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { answering, freePort, SCRATCH } from '../machine.ts'
import { databaseTool } from './database.ts'
import { downloadTools } from './downloads.ts'
import { must, type Place, run, service, target } from './place.ts'
import type { Tool } from './tool.ts'

const SECONDS = 4
const HOST = '127.0.0.1'
const ECHOES = 1_000
const ECHO_P99_MS = 10

export const tools: readonly Tool[] = [
  {
    what: 'iperf3 over TCP: up, down, eight at once each way',
    needs: ['iperf3'],
    run: async place => {
      const port = await iperf(place)
      const [public_ = 0] = await place.tunnels(`tcp:${port}`)
      const seen: string[] = []
      for (const [name, more] of [
        ['up', []],
        ['down', ['-R']],
        ['8 up', ['-P', '8']],
        ['8 down', ['-P', '8', '-R']],
      ] as const) {
        const [through, direct] = [await bitsOf(public_, more), await bitsOf(port, more)]
        seen.push(`${name} ${(through / 1e6).toFixed(0)} (${(direct / 1e6).toFixed(0)} without a tunnel)`)
      }
      return `Mbit/s: ${seen.join(', ')}`
    },
  },
  {
    what: 'iperf3 over UDP: 50 Mbit/s of 1,400 bytes each way, TCP and UDP on one reserved number',
    needs: ['iperf3'],
    run: async place => {
      const port = await iperf(place)
      const number = 20_000 + Math.floor(Math.random() * 12_000)
      const [tcp, udp] = await place.tunnels(`tcp:${port},port=${number}`, `udp:${port},port=${number}`)
      if (tcp !== number || udp !== number) throw new Error(`got ports ${tcp} and ${udp} instead of ${number}`)
      const seen: string[] = []
      for (const more of [[], ['-R']]) {
        const name = more.length === 0 ? 'up' : 'down'
        const [through, direct] = [await lossOf(number, more), await lossOf(port, more)]
        if (through.percent >= Math.max(1, 2 * direct.percent)) throw new Error(`${through.percent} % lost ${name}`)
        seen.push(`${name} ${through.datagrams} datagrams, ${through.lost} lost (${direct.lost} without a tunnel)`)
      }
      return seen.join('; ')
    },
  },
  {
    what: 'ssh: a command, and 64 MiB piped through it both ways',
    needs: ['sshd', 'ssh', 'ssh-keygen', 'sha256sum'],
    run: async place => {
      const { port, options } = await sshd(place)
      const [public_ = 0] = await place.tunnels(`tcp:${port}`)
      const ssh = [...options, '-p', String(public_), HOST]
      const said = await must('ssh', [...ssh, 'echo hello'])
      if (said !== 'hello\n') throw new Error(`the command said ${said}`)
      const data = 'x'.repeat(1 << 26)
      const [here, there] = [await must('sha256sum', [], data), await must('ssh', [...ssh, 'sha256sum'], data)]
      if (here !== there) throw new Error('the pipe brought other bytes')
      const back = await must('ssh', [...ssh, "head -c 67108864 /dev/zero | tr '\\0' x"])
      if (back !== data) throw new Error('other bytes came back')
      return 'hello; sha256 equal; 67,108,864 bytes back'
    },
  },
  databaseTool,
  {
    what: `a byte there and back ${ECHOES} times`,
    needs: [],
    run: async place => {
      const [port = 0] = await place.tunnels(`tcp:${await target(place.t, socket => socket.pipe(socket))}`)
      const socket = connect({ port, host: HOST, noDelay: true })
      await once(socket, 'connect')
      const times: number[] = []
      for (let echo = 0; echo < ECHOES; echo++) {
        const began = performance.now()
        socket.write('x')
        await once(socket, 'data')
        times.push(performance.now() - began)
      }
      socket.destroy()
      times.sort((left, right) => left - right)
      const at = (share: number) => times[Math.floor(times.length * share)] ?? 0
      const seen = `p50 ${at(0.5).toFixed(2)} ms, p99 ${at(0.99).toFixed(2)} ms`
      if (at(0.99) >= ECHO_P99_MS) throw new Error(seen)
      return seen
    },
  },
  {
    what: 'nc -N: its end passes, and the answer that comes after it',
    needs: ['nc'],
    run: async place => {
      const counting = (socket: Socket) => {
        let bytes = 0
        socket.on('data', chunk => {
          bytes += chunk.length
        })
        socket.on('end', () => socket.end(`${bytes} bytes until the end\n`))
      }
      const [port = 0] = await place.tunnels(`tcp:${await target(place.t, counting)}`)
      const said = await must('nc', ['-N', HOST, String(port)], 'y'.repeat(1_000_000))
      if (said !== '1000000 bytes until the end\n') throw new Error(`it said ${said.slice(0, 100)}`)
      return said.trim()
    },
  },
  {
    what: 'socat: a reset of the visitor is a reset for the target',
    needs: ['socat'],
    run: async place => {
      let over: (how: string) => void = () => {}
      const how = new Promise<string>(resolve => {
        over = resolve
      })
      const watching = (socket: Socket) => {
        socket.on('error', error => over('code' in error ? String(error.code) : error.message))
        socket.on('end', () => over('a clean end'))
        socket.resume()
      }
      const [port = 0] = await place.tunnels(`tcp:${await target(place.t, watching)}`)
      await run('sh', ['-c', `(echo some; sleep 1) | socat - TCP:${HOST}:${port},linger=0,shut-close`])
      if ((await how) !== 'ECONNRESET') throw new Error(`the target saw ${await how}`)
      return 'the target saw ECONNRESET'
    },
  },
  {
    what: 'dig: a name, 4,000 bytes of text over UDP, the same over TCP',
    needs: ['dnsmasq', 'dig'],
    run: async place => {
      const port = await freePort()
      const texts = Array.from({ length: 16 }, (_, index) => `--txt-record=big.test,${'t'.repeat(240)}${index}`)
      const asked = [
        '--no-daemon',
        '--no-resolv',
        '--no-hosts',
        `--port=${port}`,
        '--listen-address=127.0.0.1',
        '--bind-interfaces',
      ]
      service(place.t, 'dnsmasq', [...asked, '--edns-packet-max=8192', '--address=/name.test/192.0.2.7', ...texts])
      await answering(port)
      const [udp = 0, tcp = 0] = await place.tunnels(`udp:${port}`, `tcp:${port}`)
      const dig = async (...args: string[]) => await must('dig', [`@${HOST}`, '+time=3', '+tries=1', ...args])
      const address = await dig('-p', String(udp), '+short', 'name.test')
      if (address !== '192.0.2.7\n') throw new Error(`the name is ${address}`)
      const big = await dig('-p', String(udp), '+bufsize=8192', '+ignore', 'TXT', 'big.test')
      if (!/ANSWER: 16/.test(big) || / tc[ ;]/.test(big)) throw new Error(big)
      const overTcp = await dig('-p', String(tcp), '+tcp', 'TXT', 'big.test')
      if (!/ANSWER: 16/.test(overTcp)) throw new Error(overTcp)
      return `192.0.2.7; ${/rcvd: (\d+)/.exec(big)?.[1]} bytes in one datagram; ${/rcvd: (\d+)/.exec(overTcp)?.[1]} over TCP`
    },
  },
  {
    what: 'DTLS: a handshake and a message each way, through UDP',
    needs: ['openssl'],
    run: async place => {
      const port = await freePort()
      const [cert, key, heard] = ['dtls.pem', 'dtls.key', 'dtls.heard'].map(name => join(SCRATCH, name))
      const made = ['-x509', '-newkey', 'rsa:4096', '-nodes', '-days', '2', '-subj', '/CN=dtls.test']
      await must('openssl', ['req', ...made, '-keyout', String(key), '-out', String(cert)])
      const server = `openssl s_server -dtls -accept ${HOST}:${port} -cert ${cert} -key ${key}`
      service(place.t, 'sh', ['-c', `(echo from-the-service; sleep 20) | timeout 20 ${server} > ${heard}`])
      const [public_ = 0] = await place.tunnels(`udp:${port}`)
      const client = `openssl s_client -dtls -connect ${HOST}:${public_} -CAfile ${cert} -verify_return_error`
      const { stdout, stderr } = await run('sh', [
        '-c',
        `(sleep 2; echo from-the-visitor; sleep 1) | timeout 10 ${client}`,
      ])
      const isWhole =
        stdout.includes('from-the-service') && readFileSync(String(heard), 'utf8').includes('from-the-visitor')
      if (!isWhole || !stdout.includes('Verify return code: 0')) throw new Error(stdout + stderr)
      return `${/Cipher is (\S+)/.exec(stdout)?.[1]}, verified, a message each way`
    },
  },
  ...downloadTools,
]

async function iperf(place: Place): Promise<number> {
  const port = await freePort()
  service(place.t, 'iperf3', ['-s', '-p', String(port), '-B', HOST])
  await answering(port)
  return port
}

async function bitsOf(port: number, more: readonly string[]): Promise<number> {
  const { end, error } = await iperfSays(['-c', HOST, '-p', String(port), '-t', String(SECONDS), '-J', ...more])
  if (!(end.sum_received?.bits_per_second > 0)) throw new Error(`nothing came: ${error}`)
  return end.sum_received.bits_per_second
}

/** Its server takes one client at a time, and needs a moment to see that the last one is gone. */
async function iperfSays(args: readonly string[]) {
  for (let attempt = 0; ; attempt++) {
    const said = JSON.parse((await run('iperf3', args)).stdout)
    if (attempt === 5 || !String(said.error).includes('busy')) return said
    await pause(500)
  }
}

async function lossOf(port: number, more: readonly string[]) {
  const rate = ['-u', '-b', '50M', '-l', '1400', '-w', '1M']
  const args = ['-c', HOST, '-p', String(port), '-t', String(SECONDS), '-J', ...rate, ...more]
  const { sum } = (await iperfSays(args)).end
  return { datagrams: sum.packets, lost: sum.lost_packets, percent: sum.lost_percent }
}

async function sshd(place: Place) {
  const port = await freePort()
  const directory = join(SCRATCH, `tool-ssh-${port}`)
  mkdirSync(directory, { mode: 0o700 })
  mkdirSync('/run/sshd', { recursive: true })
  for (const name of ['host', 'user'])
    await must('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(directory, name)])
  copyFileSync(join(directory, 'user.pub'), join(directory, 'authorized'))
  const settings = [
    'StrictModes=no',
    'PidFile=none',
    'UsePAM=no',
    `ListenAddress=${HOST}`,
    `AuthorizedKeysFile=${directory}/authorized`,
  ]
  const all = settings.flatMap(setting => ['-o', setting])
  service(place.t, '/usr/sbin/sshd', [
    '-D',
    '-e',
    '-f',
    '/dev/null',
    '-p',
    String(port),
    '-h',
    join(directory, 'host'),
    ...all,
  ])
  await answering(port)
  const known = ['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR']
  return { port, options: ['-F', '/dev/null', '-i', join(directory, 'user'), ...known] }
}
