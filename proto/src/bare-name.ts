// Names that people give as a URL, with a port or with a path: what of it is too much.

const AROUND = /^([a-z][a-z0-9+.-]*:\/\/)?([^\s/?#@:%[\]\\]+)(:\d*)?([/?#]\S*)?$/i

/** What is wrong with a name, and what to do. */
export interface NotBare {
  /** Reads on after "the name cannot be used: ". */
  readonly why: string
  readonly cure: string
}

/** For a text that is a name with something around it; undefined for a bare one, and for what has no name in it. It may need `safe` printing. */
export function notBare(text: string): NotBare | undefined {
  const [, scheme, name = '', port, path] = AROUND.exec(text) ?? []
  const around = [
    ...(scheme === undefined ? [] : [`"${scheme}"`]),
    ...(port === undefined ? [] : [`the port "${port}"`]),
    ...(path === undefined ? [] : [`the path "${path}"`]),
  ]
  const last = around.pop()
  if (last === undefined) return undefined
  const dropped = around.length === 0 ? last : `${around.join(', ')} and ${last}`
  return { why: scheme === undefined ? 'it is more than a name' : 'it is a URL', cure: `drop ${dropped}: give ${name}` }
}
