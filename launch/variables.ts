// Variables as people and compose files set them: one that is set to nothing is not set.

/** Environment variables by name, as in `process.env`. */
export type Variables = Readonly<Record<string, string | undefined>>

/** Those that have a value. */
export function setVariables(environment: Variables): Variables {
  return Object.fromEntries(Object.entries(environment).filter(([, value = '']) => value.trim() !== ''))
}
