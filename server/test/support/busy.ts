// What others have under way while tunnels come and go: a download, a WebSocket, a TCP connection and a UDP flow that go on as long
// as their tunnels carry them.
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import { ask, udpSocket } from './datagrams.ts'
import type { RunningServer } from './programs.ts'
import { httpTarget } from './targets.ts'
import { visit } from './tcp-visitors.ts'
import { RawVisitor, rawRequest, rawVisitor } from './visitors.ts'
import { acceptUpgrade, upgradeRequest } from './websocket.ts'

const HOST = 'busy.localhost'
const PIECE_EVERY_MS = 40
const VISIT_EVERY_MS = 10

/** The public ports of the tunnels whose targets echo. */
export interface EchoPorts {
  readonly tcp: number
  readonly udp: number
}

/** The target of the tunnel `busy`: a download that goes on until it is finished, and WebSockets that echo. */
export class Busy {
  readonly port: number
  private readonly t: TestContext
  private readonly downloads: Map<ServerResponse, NodeJS.Timeout>

  private constructor(t: TestContext, port: number, downloads: Map<ServerResponse, NodeJS.Timeout>) {
    this.t = t
    this.port = port
    this.downloads = downloads
  }

  static async start(t: TestContext): Promise<Busy> {
    const downloads = new Map<ServerResponse, NodeJS.Timeout>()
    const port = await httpTarget(
      t,
      (_request, response) => {
        let piece = 0
        response.on('close', () => clearInterval(downloads.get(response)))
        downloads.set(
          response,
          setInterval(() => response.write(`${++piece};`), PIECE_EVERY_MS),
        )
      },
      server =>
        server.on('upgrade', (request, socket) => {
          acceptUpgrade(request, socket)
          socket.pipe(socket)
        }),
    )
    return new Busy(t, port, downloads)
  }

  /** Visitors of all kinds, each of whom has had an answer. */
  async open(server: RunningServer, ports: EchoPorts): Promise<UnderWay> {
    const { t } = this
    const download = await rawVisitor(t, server)
    download.send(`GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`)
    const websocket = await rawVisitor(t, server)
    websocket.send(upgradeRequest('/', HOST))
    await websocket.until(/101 Switching/)
    const tcp = new RawVisitor(await visit(t, ports.tcp))
    const udp = await udpSocket(t)
    let round = 0
    const flow = async () => assert.equal(String(await ask(udp, ports.udp, Buffer.from(`${round}`))), `${round}`)
    const goOn = async () => {
      round++
      for (const visitor of [websocket, tcp]) {
        visitor.send(`round-${round};`)
        await visitor.until(new RegExp(`round-${round};`))
      }
      await flow()
      const pieces = piecesIn(download.text).length
      await download.until(new RegExp(`\\b${pieces + 3};`))
    }
    await goOn()
    return { goOn, ended: async () => await this.finish(download) }
  }

  private async finish(download: RawVisitor): Promise<{ download: string }> {
    for (const [response, timer] of this.downloads) {
      clearInterval(timer)
      response.end()
    }
    this.downloads.clear()
    await download.until(/\r\n0\r\n\r\n$/)
    const pieces = piecesIn(download.text)
    const isWhole = pieces.every((piece, index) => piece === index + 1) && pieces.length > 0
    return { download: isWhole ? 'whole' : `pieces ${pieces.join(' ')}` }
  }
}

/** What is open for visitors. */
export interface UnderWay {
  /** Each of them gets one answer more. */
  goOn(): Promise<void>
  /** The target finishes the download; tells whether all of it came. */
  ended(): Promise<{ download: string }>
}

/** How one of many visitors fared; times as `performance.now` has them. */
export interface Visit {
  readonly begunAt: number
  readonly endedAt: number
  /** 0: no answer. */
  readonly status: number
  /** The whole answer, or why there is none. */
  readonly text: string
}

/** 100 visitors a second of the tunnel with this name, each on a connection of their own, until told to end. */
export function visits(t: TestContext, server: RunningServer, name: string) {
  const request = `GET / HTTP/1.1\r\nHost: ${name}.localhost\r\nConnection: close\r\n\r\n`
  const all: Promise<Visit>[] = []
  const visitOnce = async () => {
    const begunAt = performance.now()
    const text = await rawRequest(t, server, request).catch(error => String(error))
    return { begunAt, endedAt: performance.now(), status: Number(/^HTTP\/1.1 (\d+)/.exec(text)?.[1] ?? 0), text }
  }
  const timer = setInterval(() => all.push(visitOnce()), VISIT_EVERY_MS)
  t.after(() => clearInterval(timer))
  return {
    /** So many more have come, and have their answers. */
    count: async (more: number) => {
      const enough = all.length + more
      while (all.length < enough)
        await Promise.all([...all, new Promise(resolve => setTimeout(resolve, VISIT_EVERY_MS))])
      await Promise.all(all)
    },
    ended: async () => {
      clearInterval(timer)
      return await Promise.all(all)
    },
  }
}

function piecesIn(text: string): number[] {
  return [...text.matchAll(/(?<=[;\n])(\d+);/g)].map(([, piece]) => Number(piece))
}
