// The way to the server through an HTTP proxy: CONNECT (RFC 9110 section 9.3.6), then TLS to the server as without one.
import { isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type ChannelCredentials, credentials } from '@grpc/grpc-js'
import { formatProxy, type HttpProxy } from '../config/proxy.ts'
import { Failure } from '../failure.ts'

/** A proxy's answer to CONNECT is shorter; its page for people is not read. */
const MAX_ANSWER_BYTES = 16 * 1024

/** Where the proxy is to connect to. */
export interface Beyond {
  readonly host: string
  readonly port: number
}

/**
 * Credentials for a gRPC client whose target is the proxy: each of its connections goes on to the server, and is encrypted and checked
 * as `createSsl` does. `failed` hears why the proxy did not connect.
 */
export function throughProxy(
  ca: Buffer | null,
  proxy: HttpProxy,
  beyond: Beyond,
  failed: (failure: Failure) => void,
): ChannelCredentials {
  const ssl = credentials.createSsl(ca)
  const toServer = ssl._createSecureConnector.bind(ssl)
  ssl._createSecureConnector = (target, options, callCredentials) => {
    const secure = toServer(target, options, callCredentials)
    return {
      connect: async socket => {
        const connection = await connectThrough(socket, proxy, beyond).catch((failure: Failure) => {
          failed(failure)
          throw failure
        })
        return await secure.connect(connection)
      },
      waitForReady: () => secure.waitForReady(),
      getCallCredentials: () => secure.getCallCredentials(),
      destroy: () => secure.destroy(),
    }
  }
  return ssl
}

/**
 * The connection to the proxy as one to the server. Rejects with Failure, and the socket is of no use then. Waits as long as the
 * socket lives: whoever made it has a deadline for all of it.
 */
export async function connectThrough(socket: Socket, proxy: HttpProxy, beyond: Beyond): Promise<Socket> {
  const connection = proxy.isTls ? await encrypted(socket, proxy) : socket
  const place = `${beyond.host}:${beyond.port}`
  const authorization = proxy.authorization === undefined ? '' : `Proxy-Authorization: ${proxy.authorization}\r\n`
  connection.write(`CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n${authorization}\r\n`)
  const status = await answered(connection, proxy)
  if (status < 200 || status > 299) throw refused(status, proxy, place)
  return connection
}

/** The proxy has a certificate of the usual authorities: that of the server's own is for the server only. */
function encrypted(socket: Socket, proxy: HttpProxy): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const servername = isIP(proxy.host) === 0 ? proxy.host : ''
  const secure = connectTls({ socket, host: proxy.host, servername, ALPNProtocols: ['http/1.1'] }, () => {
    secure.off('error', failed)
    resolve(secure)
  })
  const failed = ({ message }: Error) => {
    reject(
      new Failure('unreachable', `the proxy ${formatProxy(proxy)} cannot be spoken to with TLS: ${message}`, {
        cure: 'check HTTPS_PROXY: "http://" is for a proxy that speaks no TLS itself; NODE_EXTRA_CA_CERTS names an authority of your own',
      }),
    )
  }
  secure.once('error', failed)
  // What comes later is a matter of the connection through it.
  secure.on('error', () => {})
  return promise
}

/** The status of the proxy's answer; what follows the head is left in the socket. */
function answered(socket: Socket, proxy: HttpProxy): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let head = Buffer.alloc(0)
  const end = (status: number | undefined, why: string) => {
    socket.off('readable', read).off('end', ended).off('close', ended).off('error', broke)
    if (status !== undefined) resolve(status)
    else reject(notOne(proxy, why))
  }
  const read = () => {
    for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) {
      head = Buffer.concat([head, chunk])
      const stop = head.indexOf('\r\n\r\n')
      if (stop < 0 && head.length <= MAX_ANSWER_BYTES) continue
      const line = head.toString('latin1', 0, Math.max(0, head.indexOf('\r\n')))
      const status = stop < 0 ? undefined : /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(line)?.[1]
      end(status === undefined ? undefined : Number(status), 'what it answered is not HTTP/1.1')
      if (stop >= 0 && stop + 4 < head.length) socket.unshift(head.subarray(stop + 4))
      return
    }
  }
  const ended = () => end(undefined, 'it closed the connection without an answer')
  const broke = ({ message }: Error) => end(undefined, message)
  socket.on('readable', read).on('end', ended).on('close', ended).on('error', broke)
  return promise
}

function notOne(proxy: HttpProxy, why: string): Failure {
  return new Failure('unreachable', `the proxy ${formatProxy(proxy)} did not connect: ${why}`, {
    cure: 'check HTTPS_PROXY, or name the server in NO_PROXY if no proxy is needed to reach it',
  })
}

function refused(status: number, proxy: HttpProxy, place: string): Failure {
  const name = `the proxy ${formatProxy(proxy)}`
  if (status === 407) {
    const what =
      proxy.authorization === undefined ? 'asks for a user and a password' : 'refused the user and the password'
    const cure = 'set HTTPS_PROXY to http://USER:PASSWORD@HOST:PORT'
    return new Failure('unreachable', `${name} ${what} (407)`, { cure })
  }
  if (status === 403 || status === 405) {
    const cure = `have it allow CONNECT to ${place}, or name the server in NO_PROXY if no proxy is needed to reach it`
    return new Failure('unreachable', `${name} does not allow connections to ${place} (${status})`, { cure })
  }
  if (status >= 502 && status <= 504) {
    const cure = `check that pbt-server runs, and that the proxy can reach ${place}`
    return new Failure('unreachable', `${name} did not reach ${place} (${status})`, { cure })
  }
  const cure = 'check HTTPS_PROXY: it should be an HTTP proxy that takes CONNECT'
  return new Failure('unreachable', `${name} answered CONNECT with status ${status}`, { cure })
}
