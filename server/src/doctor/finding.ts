// What a doctor says: one step, what was found, and what to do.

/** `not-checked`: it cannot be known from here. */
export interface Finding {
  readonly step: string
  readonly state: 'ok' | 'failed' | 'not-checked'
  readonly message: string
  readonly cure?: string
}

/** All is well with this. */
export const ok = (step: string, message: string): Finding => ({ step, state: 'ok', message })
/** It has to be mended. */
export const failed = (step: string, message: string, cure: string): Finding => ({
  step,
  state: 'failed',
  message,
  cure,
})
/** It cannot be known from here; `cure`: how to find out. */
export const notChecked = (step: string, message: string, cure: string): Finding => ({
  ...{ step, state: 'not-checked', message, cure },
})

/** As people write sizes. */
export function sizeText(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`
}
