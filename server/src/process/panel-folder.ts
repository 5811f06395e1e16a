// Where the exported panel is: beside the server, in a checkout as in an installed package.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const ADMIN = fileURLToPath(new URL('../../../admin', import.meta.url))

/** The folder of the export, which need not be there yet, and what makes it. */
export interface PanelFolder {
  readonly path: string
  /** This file is there as long as a build is under way. */
  readonly lock: string
  /** For people, when there is no panel. */
  readonly cure: string
}

/** Looks once; what is in the folder may change later. */
export function panelFolder(): PanelFolder {
  const isCheckout = existsSync(`${ADMIN}/package.json`)
  return {
    path: `${ADMIN}/out`,
    lock: `${ADMIN}/.building`,
    cure: isCheckout ? 'run "npm run panel" in the checkout' : 'install pbt-server again',
  }
}
