// Starts the daemon as a process of its own, and waits until it answers.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { Environment } from '../config/config.ts'
import { Failure, failureOf } from '../failure.ts'
import { programCommand } from '../process/program.ts'
import { lastLines, openLog } from './log.ts'
import { findDaemon } from './pid-file.ts'

/** A start takes less, even on a busy machine. */
const START_MS = 20_000
const LOOK_EVERY_MS = 50
/** Of the log, when it did not start. */
const SHOWN_LINES = 3

/** What the daemon is run with: its own command line. */
export const RUN = ['daemon', 'run'] as const

/** Resolves with its number once it answers. `start`: has something else start it. Rejects with Failure `internal` when it does not. */
export async function startDaemon(
  home: string,
  logPath: string,
  env: Environment,
  start?: () => void,
): Promise<number> {
  const state: { ended?: string } = {}
  const child = start === undefined ? spawnDaemon(logPath, env, state) : start()
  const deadline = performance.now() + START_MS
  while (performance.now() < deadline && state.ended === undefined) {
    const daemon = await findDaemon(home)
    if (daemon?.status.kind === 'answered') {
      if (child && child.pid !== daemon.pid) await giveUp(child)
      return daemon.pid
    }
    await pause(LOOK_EVERY_MS)
  }
  const said = lastLines(logPath, SHOWN_LINES).join(' | ') || 'it could not even say why in its log'
  throw new Failure('internal', `the daemon did not start: ${state.ended ?? 'it does not answer'}: ${said}`, {
    cure: `see ${logPath}, or what "pbt daemon run" says`,
  })
}

/** Another start was faster. This one would become the daemon as soon as that one is stopped. */
async function giveUp(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit', { signal: AbortSignal.timeout(START_MS) }).catch(() => {})
  child.kill()
  await ended
}

function spawnDaemon(logPath: string, env: Environment, state: { ended?: string }): ChildProcess {
  const [node = '', ...args] = programCommand()
  const log = logOf(logPath)
  const { PBT_IGNORED_SIGNALS: _ignored, ...rest } = env
  const child = spawn(node, [...args, ...RUN], {
    detached: true,
    cwd: '/',
    env: { ...rest, PBT_UNATTENDED: '1' },
    // Its own words go to the log by its own file; what Node says when it cannot start at all, too.
    stdio: ['ignore', 'ignore', log],
  })
  closeSync(log)
  child.once('error', error => {
    state.ended = error.message
  })
  child.once('exit', (code, signal) => {
    state.ended = `it ended with ${signal ?? code}`
  })
  child.unref()
  return child
}

function logOf(path: string): number {
  try {
    return openLog(path)
  } catch (cause) {
    throw new Failure('internal', `the daemon's log ${path} cannot be written: ${failureOf(cause).message}`, {
      cure: 'its disk needs room, and this user leave to write there',
      cause,
    })
  }
}

/** Resolves when no daemon of the home answers any more; false after `limitMs`. */
export async function waitForEnd(home: string, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs
  while (performance.now() < deadline) {
    if ((await findDaemon(home)) === undefined) return true
    await pause(LOOK_EVERY_MS)
  }
  return false
}
