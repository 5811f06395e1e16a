// The first file of a backup: what made it, and what else is in it.
import { damaged } from './tar.ts'

/** Of the manifest itself. */
export const MANIFEST = 'manifest.json'
/** This version's form of a backup. */
export const FORMAT = 1
/** A manifest is a few kilobytes. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024
const MAX_FILES = 10_000

/** One file of a backup. */
export interface BackedUpFile {
  /** `data/…`: below the data directory; `settings/…`: the settings, and the files that they name. */
  readonly name: string
  readonly size: number
  readonly sha256: string
  /** Where it was, when it is one of the settings. */
  readonly from?: string
}

/** What a backup says about itself. */
export interface Manifest {
  readonly format: number
  /** Of the pbt-server that made it. */
  readonly version: string
  readonly madeAt: string
  readonly baseDomain: string
  readonly dataDir: string
  readonly files: readonly BackedUpFile[]
}

/** No part begins with a dot: none leads up, and none is hidden. */
const NAME = /^(data|settings)(\/[A-Za-z0-9_*@=+~-][A-Za-z0-9._*@=+~-]*){1,4}$/
const MAX_NAME_CHARS = 100

/** Whether a file of this name can be part of a backup. */
export function isBackupName(name: string): boolean {
  return name.length <= MAX_NAME_CHARS && NAME.test(name)
}

/** Throws Failure `backup-invalid` for anything that this version would not have written. */
export function readManifest(text: string): Manifest {
  let manifest: Partial<Manifest>
  try {
    manifest = JSON.parse(text) as Partial<Manifest>
  } catch (cause) {
    throw damaged('its manifest is not JSON', cause)
  }
  const { format, version, madeAt, baseDomain, dataDir, files } = manifest ?? {}
  if (typeof format === 'number' && format > FORMAT) {
    throw damaged(`a newer pbt-server made it (${String(version).slice(0, 20)}); restore it with that version`)
  }
  const texts = [version, madeAt, baseDomain, dataDir]
  if (format !== FORMAT || texts.some(each => typeof each !== 'string' || each.length > 4_096) || !Array.isArray(files))
    throw damaged('its manifest is not one of pbt-server')
  if (files.length > MAX_FILES) throw damaged(`it has ${files.length} files, more than ${MAX_FILES}`)
  const names = new Set<string>()
  for (const each of files as readonly Partial<BackedUpFile>[]) {
    const { name, size, sha256, from = '' } = each ?? {}
    const isGood = typeof name === 'string' && isBackupName(name) && Number.isSafeInteger(size) && Number(size) >= 0
    if (!isGood || typeof from !== 'string' || typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) {
      throw damaged(`the name or size of a file is not valid: ${JSON.stringify(name)?.slice(0, 120)}`)
    }
    if (names.has(name)) throw damaged(`${name} is in it twice`)
    names.add(name)
  }
  return manifest as Manifest
}
