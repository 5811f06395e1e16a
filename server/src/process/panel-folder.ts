// Where the exported panel is: inside the installed package, or beside it in a checkout.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const PACKAGED = fileURLToPath(new URL('../../panel', import.meta.url))
const CHECKOUT = fileURLToPath(new URL('../../../admin', import.meta.url))

/** The folder of the export, which need not be there yet, and what makes it. */
export interface PanelFolder {
  readonly path: string
  /** In a checkout: this file is there as long as a build is under way. */
  readonly lock?: string
  /** For people, when there is no panel. */
  readonly cure: string
}

/** Looks once; what is in the folder may change later. */
export function panelFolder(): PanelFolder {
  if (!existsSync(PACKAGED) && existsSync(CHECKOUT)) {
    return {
      path: `${CHECKOUT}/out`,
      lock: `${CHECKOUT}/.building`,
      cure: 'run "npm run panel" in the checkout',
    }
  }
  return { path: PACKAGED, cure: 'install pbt-server again' }
}
