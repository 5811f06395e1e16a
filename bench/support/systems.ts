// What is compared: pbt, the bare proxy, and the peers that are installed, each in front of the same origin.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { answering, family, find, freePort, ROOT, type Running, SCRATCH, start, startNode } from './machine.ts'

export interface System {
  readonly name: string
  /** Where visitors connect; undefined: not to be had this way. */
  readonly http: number | undefined
  readonly https: number | undefined
  readonly host: string
  /** The processes at the edge and at the client, for their CPU time. */
  readonly edge: () => readonly number[]
  readonly client: () => readonly number[]
  stop(): Promise<void>
}

export type MakeSystem = (origin: number, line?: LineSettings) => Promise<System | undefined>

/** A line between client and server instead of loopback. */
export interface LineSettings {
  readonly bytesPerMs: number
  readonly oneWayMs: number
}

const HOST = 'bench.localhost'
/** As their users start them: how a program is started decides about half of its speed. */
const [SERVER, CLIENT] = [join(ROOT, 'node_modules/.bin/pbt-server'), join(ROOT, 'node_modules/.bin/pbt')]

export async function startOrigin(): Promise<{ port: number; running: Running }> {
  const running = startNode('origin', 'bench/support/origin.ts', [])
  const { port } = JSON.parse(await running.line())
  return { port, running }
}

/** The port to dial for this one: behind a line if one is asked for. */
async function overLine(
  port: number,
  line: LineSettings | undefined,
): Promise<{ port: number; stop: () => Promise<void> }> {
  if (line === undefined) return { port, stop: async () => {} }
  const relay = startNode('origin', 'bench/support/line-relay.ts', [port, line.bytesPerMs, line.oneWayMs].map(String))
  return { port: JSON.parse(await relay.line()).port, stop: () => relay.stop() }
}

/** `flags`: besides those that both programs have, for Node; such as NODE_OPTIONS takes. `serverArgs`: for the server. */
export async function startPbt(
  origin: number,
  line?: LineSettings,
  flags: readonly string[] = [],
  serverArgs: readonly string[] = [],
): Promise<System> {
  return await pbtWith(['http', String(origin), '--domain', 'bench'], line, flags, serverArgs)
}

/** A TCP tunnel: visitors connect to `http`. */
export const startPbtTcp: MakeSystem = async (origin, line) => {
  const system = await pbtWith(['tcp', String(origin)], line, [])
  return { ...system, http: system.port, https: undefined }
}

/**
 * pbt with the tunnel of this command line; `port`: that of the public address of the tunnel whose `online` line fits. `prepare`: what
 * is to be in the data directory before the server starts.
 */
export async function pbtWith(
  tunnel: readonly string[],
  line: LineSettings | undefined,
  flags: readonly string[],
  serverArgs: readonly string[] = [],
  fits: (line: string) => boolean = () => true,
  prepare: (dataDir: string) => void = () => {},
): Promise<System & { readonly port: number; readonly dataDir: string }> {
  const dataDir = join(SCRATCH, `pbt-${Date.now()}`)
  const env = flags.length === 0 ? {} : { NODE_OPTIONS: flags.join(' ') }
  const init = start('edge', SERVER, ['init', '--json', '--data-dir', dataDir])
  const { token } = JSON.parse(await init.line())
  prepare(dataDir)
  const ports = ['--https-port', '0', '--http-port', '0', '--log-level', 'error', ...serverArgs]
  const server = start('edge', SERVER, ['start', '--json', '--data-dir', dataDir, ...ports], env)
  const ready = JSON.parse(await server.line())
  const relay = await overLine(ready.https, line)
  // Without --json, as people and units start it: with it each request is a line, made here and read by the benchmark.
  const client = start('client', CLIENT, tunnel, {
    ...env,
    PBT_SERVER: `localhost:${relay.port}`,
    PBT_TOKEN: token,
    PBT_CA: ready.ca,
    PBT_HOME: join(dataDir, 'client'),
  })
  const online = await client.line(text => text.includes(' online: ') && fits(text))
  const [, url = ''] = / online: (\S+)/.exec(online) ?? []
  return {
    name: 'pbt',
    port: Number(new URL(url).port),
    dataDir,
    http: ready.http,
    https: ready.https,
    host: HOST,
    edge: () => [server.pid],
    client: () => [client.pid],
    stop: async () => {
      await client.stop()
      await server.stop()
      await relay.stop()
    },
  }
}

/** A key and certificate for the host, for those who bring none. */
function certificate(): { cert: string; key: string } {
  const [cert, key] = [join(SCRATCH, 'cert.pem'), join(SCRATCH, 'key.pem')]
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'],
    ...['-subj', `/CN=${HOST}`, '-addext', `subjectAltName=DNS:${HOST}`, '-keyout', key, '-out', cert],
  ])
  if (made.status !== 0) throw new Error(`openssl makes no certificate: ${made.stderr}`)
  return { cert, key }
}

export const startBare: MakeSystem = async origin => {
  const { cert, key } = certificate()
  const proxy = startNode('edge', 'bench/support/bare-proxy.ts', [String(origin), '0', '0', cert, key])
  const { http, https } = JSON.parse(await proxy.line())
  return {
    name: 'bare Node proxy',
    http: http.port,
    https: https.port,
    host: HOST,
    edge: () => [proxy.pid],
    client: () => [],
    stop: () => proxy.stop(),
  }
}

/** rathole with its noise transport, and its public port. */
async function ratholePair(origin: number, line?: LineSettings) {
  const program = find('rathole')
  if (program === undefined) return undefined
  const [control, service] = [await freePort(), await freePort()]
  const keys = spawnSync(program, ['--genkey'], { encoding: 'utf8' }).stdout
  const [, secret] = /Private Key:\s*(\S+)/.exec(keys) ?? []
  const [, open] = /Public Key:\s*(\S+)/.exec(keys) ?? []
  const relay = await overLine(control, line)
  const noise = (role: string) => `[${role}.transport]\ntype = "noise"\n[${role}.transport.noise]\n`
  const serverFile = join(SCRATCH, `rathole-server-${control}.toml`)
  const clientFile = join(SCRATCH, `rathole-client-${control}.toml`)
  writeFileSync(
    serverFile,
    `[server]\nbind_addr = "127.0.0.1:${control}"\ndefault_token = "bench"\n${noise('server')}local_private_key = "${secret}"\n[server.services.web]\nbind_addr = "127.0.0.1:${service}"\n`,
  )
  writeFileSync(
    clientFile,
    `[client]\nremote_addr = "127.0.0.1:${relay.port}"\ndefault_token = "bench"\n${noise('client')}remote_public_key = "${open}"\n[client.services.web]\nlocal_addr = "127.0.0.1:${origin}"\n`,
  )
  const server = start('edge', program, ['--server', serverFile])
  const client = start('client', program, ['--client', clientFile])
  await answering(service)
  const stop = async () => {
    await client.stop()
    await server.stop()
    await relay.stop()
  }
  return { service, server, client, stop }
}

export const startRathole: MakeSystem = async (origin, line) => {
  const pair = await ratholePair(origin, line)
  if (pair === undefined) return undefined
  const { service, server, client, stop } = pair
  const edge = () => [server.pid]
  return { name: 'rathole', http: service, https: undefined, host: HOST, edge, client: () => [client.pid], stop }
}

export const startNginxRathole: MakeSystem = async origin => {
  const program = find('nginx')
  const pair = program === undefined ? undefined : await ratholePair(origin)
  if (program === undefined || pair === undefined) return undefined
  const { cert, key } = certificate()
  const [http, https] = [await freePort(), await freePort()]
  const file = join(SCRATCH, 'nginx.conf')
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${SCRATCH}/${name};`)
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${SCRATCH}/nginx.pid; error_log stderr crit;
events { worker_connections 4096; }
http { access_log off; ${temp.join(' ')}
  upstream back { server 127.0.0.1:${pair.service}; keepalive 128; }
  server { listen 127.0.0.1:${http}; listen 127.0.0.1:${https} ssl; server_name ${HOST};
    ssl_certificate ${cert}; ssl_certificate_key ${key}; keepalive_requests 100000000; client_max_body_size 0;
    location / { proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_buffering off; proxy_request_buffering off; } } }
`,
  )
  const nginx = start('edge', program, ['-c', file, '-p', SCRATCH])
  await answering(http)
  return {
    name: 'nginx + rathole',
    http,
    https,
    host: HOST,
    edge: () => [nginx.pid, pair.server.pid],
    client: () => [pair.client.pid],
    stop: async () => {
      await nginx.stop()
      await pair.stop()
    },
  }
}

/** bore has no option for it. */
const BORE_CONTROL_PORT = 7835

export const startBore: MakeSystem = async origin => {
  const program = find('bore')
  if (program === undefined) return undefined
  const service = await freePort()
  const server = start('edge', program, ['server', '--min-port', '1024'])
  await answering(BORE_CONTROL_PORT)
  const client = start('client', program, ['local', String(origin), '--to', '127.0.0.1', '--port', String(service)])
  await answering(service)
  return {
    name: 'bore (plain)',
    http: service,
    https: undefined,
    host: HOST,
    edge: () => [server.pid],
    client: () => [client.pid],
    stop: async () => {
      await client.stop()
      await server.stop()
    },
  }
}

export const startSsh: MakeSystem = async (origin, line) => {
  const [sshd, ssh, keygen] = [find('sshd'), find('ssh'), find('ssh-keygen')]
  if (sshd === undefined || ssh === undefined || keygen === undefined) return undefined
  const [port, service] = [await freePort(), await freePort()]
  const directory = join(SCRATCH, `ssh-${port}`)
  spawnSync('mkdir', ['-p', '-m', '700', directory, '/run/sshd'])
  for (const name of ['host', 'user']) spawnSync(keygen, ['-q', '-t', 'ed25519', '-N', '', '-f', join(directory, name)])
  spawnSync('cp', [join(directory, 'user.pub'), join(directory, 'authorized')])
  const options = [
    ...['-p', String(port), '-h', join(directory, 'host'), '-o', `AuthorizedKeysFile=${directory}/authorized`],
    ...['-o', 'StrictModes=no', '-o', 'PidFile=none', '-o', 'UsePAM=no', '-o', 'ListenAddress=127.0.0.1'],
  ]
  const server = start('edge', sshd, ['-D', '-e', '-f', '/dev/null', ...options])
  await answering(port)
  const relay = await overLine(port, line)
  const client = start('client', ssh, [
    ...[
      '-N',
      '-p',
      String(relay.port),
      '-i',
      join(directory, 'user'),
      '-o',
      'StrictHostKeyChecking=no',
      '-F',
      '/dev/null',
    ],
    ...['-o', 'UserKnownHostsFile=/dev/null', '-R', `127.0.0.1:${service}:127.0.0.1:${origin}`, '127.0.0.1'],
  ])
  await answering(service)
  return {
    name: 'ssh -R',
    http: service,
    https: undefined,
    host: HOST,
    edge: () => family(server.pid),
    client: () => [client.pid],
    stop: async () => {
      await client.stop()
      await server.stop()
      await relay.stop()
    },
  }
}
