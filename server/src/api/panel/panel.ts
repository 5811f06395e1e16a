// The panel at the admin host: an export of Next.js, read whole, and read again when another one was built.
import type { Log } from '../../observe/log.ts'
import type { PanelFolder } from '../../process/panel-folder.ts'
import { answerText, type Request, type Response } from '../refusal.ts'
import { type Encoding, type PanelFile, type PanelFiles, readPanel, stampOf } from './files.ts'
import { noPanel } from './no-panel.ts'

/** How long what was found is good, milliseconds: the server may start before the panel is built. */
const LOOK_MS = 1_000
const FOR_A_YEAR = 'public, max-age=31536000, immutable'
/** Asked again each time, answered with 304 as long as it is the same. */
const ASK_AGAIN = 'no-cache'

export interface PanelOptions {
  readonly folder: PanelFolder
  readonly log: Log
  /** Milliseconds, never backwards. */
  readonly now: () => number
}

/** Holds at most one export, and while it reads another one, two. */
export class Panel {
  private readonly options: PanelOptions
  private found: PanelFiles | undefined
  private stamp: string | undefined
  private lookedAt = Number.NEGATIVE_INFINITY
  private looking: Promise<void> | undefined

  constructor(options: PanelOptions) {
    this.options = options
  }

  /** What the present panel was built of; '' for none. */
  get build(): string {
    return this.found?.build ?? ''
  }

  /** Looks for a panel, if that was not done just now. Never rejects. */
  look(): Promise<void> {
    if (this.options.now() - this.lookedAt < LOOK_MS) return this.looking ?? Promise.resolve()
    this.looking ??= this.read().finally(() => {
      this.lookedAt = this.options.now()
      this.looking = undefined
    })
    return this.looking
  }

  /** Answers GET and HEAD. Rejects when the peer is gone. */
  async answer(request: Request, response: Response): Promise<void> {
    await this.look()
    if (this.found === undefined) {
      noPanel(this.options.folder, request, response)
      return
    }
    const { files } = this.found
    const name = nameOf(request.url ?? '')
    const file = name === undefined ? undefined : (files.get(name) ?? files.get(`${name}.html`))
    if (file !== undefined) {
      send(request, response, 200, file)
      return
    }
    const notFound = files.get('404.html')
    // What a script asks for is better told in a word.
    if (notFound === undefined || /\.\w+$|^_next\//.test(name ?? ''))
      answerText(response, 404, 'There is no such file.')
    else send(request, response, 404, notFound)
  }

  private async read(): Promise<void> {
    const { folder, log } = this.options
    const stamp = await stampOf(folder.path)
    // While it is replaced there is none for a moment: the old one goes on.
    if (stamp === undefined || stamp === this.stamp) return
    try {
      const found = await readPanel(folder.path)
      if ((await stampOf(folder.path)) !== stamp) return
      this.found = found
      this.stamp = stamp
      log.info('panel', { build: found.build, files: found.files.size })
    } catch (error) {
      log.warn('cannot read the panel', { folder: folder.path, reason: String(error) })
    }
  }
}

/** The file's name that a target asks for; undefined when it is none. A name is only ever looked up, never opened. */
function nameOf(target: string): string | undefined {
  const path = target.split(/[?#]/, 1)[0] ?? ''
  if (!path.startsWith('/')) return undefined
  if (path === '/') return 'index'
  try {
    return decodeURIComponent(path.slice(1))
  } catch {
    return undefined
  }
}

function send(request: Request, response: Response, status: number, file: PanelFile): void {
  const encoding = encodingFor(String(request.headers['accept-encoding'] ?? ''), file)
  const body = file.bodies[encoding] ?? file.bodies.identity
  const tag = `"${file.hash}${encoding === 'identity' ? '' : `-${encoding}`}"`
  response.setHeader('content-type', file.type)
  response.setHeader('cache-control', file.isImmutable ? FOR_A_YEAR : ASK_AGAIN)
  response.setHeader('vary', 'accept-encoding')
  response.setHeader('etag', tag)
  if (file.policy !== undefined) response.setHeader('content-security-policy', file.policy)
  if (status === 200 && isKnown(String(request.headers['if-none-match'] ?? ''), tag)) {
    finish(response, 304)
    return
  }
  response.setHeader('content-length', body.length)
  if (encoding !== 'identity') response.setHeader('content-encoding', encoding)
  finish(response, status, request.method === 'HEAD' ? undefined : body)
}

/** RFC 9110 section 12.5.3, as far as browsers use it: what is named without `q=0`. */
function encodingFor(accepted: string, { bodies }: PanelFile): Encoding {
  const named = new Set(
    accepted
      .slice(0, 200)
      .toLowerCase()
      .split(',')
      .map(each => each.trim())
      .filter(each => !/;\s*q=0(?:\.0*)?$/.test(each))
      .map(each => each.split(';', 1)[0]?.trim()),
  )
  return (['br', 'gzip'] as const).find(encoding => bodies[encoding] !== undefined && named.has(encoding)) ?? 'identity'
}

/** RFC 9110 section 13.1.2: weakly compared. */
function isKnown(fields: string, tag: string): boolean {
  const tags = fields
    .slice(0, 1_000)
    .split(',')
    .map(each => each.trim().replace(/^W\//, ''))
  return tags.includes('*') || tags.includes(tag)
}

function finish(response: Response, status: number, body?: Buffer): void {
  // The two classes declare the same methods, which TypeScript cannot call over a union.
  const { writeHead, end } = response as { writeHead(status: number): void; end(body?: Buffer): void }
  writeHead.call(response, status)
  end.call(response, body)
}
