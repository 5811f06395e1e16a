// The log: JSON lines on stderr (words when a terminal reads them), never a token or a cookie.
import winston from 'winston'
import { redact, redactText } from './redact.ts'

/** Values of a log line, by name. */
export type Fields = Readonly<Record<string, unknown>>
/** The most severe first; a level includes those before it. */
export type LogLevel = 'error' | 'warn' | 'info' | 'debug'

/** Messages are constant; what varies goes in fields. Each part of the server makes a child of its own. */
export interface Log {
  error(message: string, fields?: Fields): void
  warn(message: string, fields?: Fields): void
  info(message: string, fields?: Fields): void
  debug(message: string, fields?: Fields): void
  /** A log that adds these fields to every line. */
  child(fields: Fields): Log
}

/** What is logged, where, and in which format. */
export interface LogOptions {
  readonly level: LogLevel
  /** Where the lines go; stdout belongs to the output for programs. */
  readonly stream: NodeJS.WritableStream
  /** For people instead of JSON. */
  readonly isForPeople: boolean
}

/** The log of this process. */
export function openLog({ level, stream, isForPeople }: LogOptions): Log {
  const logger = winston.createLogger({
    level,
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    format: winston.format.combine(redacted(), winston.format.timestamp(), isForPeople ? words : winston.format.json()),
    transports: [new winston.transports.Stream({ stream })],
    exitOnError: false,
  })
  return wrap(logger)
}

function wrap(logger: winston.Logger): Log {
  const write = (level: LogLevel) => (message: string, fields?: Fields) => {
    logger.log(level, message, fields)
  }
  return {
    error: write('error'),
    warn: write('warn'),
    info: write('info'),
    debug: write('debug'),
    child: fields => wrap(logger.child(fields)),
  }
}

const redacted = winston.format(info => {
  for (const [name, value] of Object.entries(info)) {
    if (name !== 'level') info[name] = name === 'message' ? redactText(String(value)) : redact(name, value)
  }
  return info
})

const words = winston.format.printf(inWords)

function inWords({ timestamp, level, message, ...fields }: Fields): string {
  const details = Object.entries(fields)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}=${visible(typeof value === 'string' ? quoted(value) : JSON.stringify(value))}`)
  return [String(timestamp).slice(11, 23), level, visible(String(message)), ...details].join(' ')
}

/** As it is when it is one word, otherwise in quotes, so that it is seen where a value ends. */
function quoted(text: string): string {
  return /^[^\s"=]+$/.test(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** What could steer a terminal, or look as if it stood elsewhere, as an escape: some of the fields are strangers' words. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, character => {
    const hex = (character.codePointAt(0) ?? 0).toString(16)
    return `\\u{${hex}}`
  })
}

/** A line of the log that does not come by it: about the log itself. */
export function logLine(fields: Fields, isForPeople: boolean): string {
  const all = { ...fields, timestamp: new Date().toISOString() }
  return `${isForPeople ? inWords(all) : JSON.stringify(all)}\n`
}
