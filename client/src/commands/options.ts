// Options that several commands have.

/** `--name`: the server knows the tunnel by it. */
export const NAME = {
  type: 'string',
  requiresArg: true,
  describe: 'name of the tunnel (default: its first address)',
} as const
/** `--allow`: without it everybody may visit. */
export const ALLOW = {
  type: 'string',
  array: true,
  requiresArg: true,
  describe: 'IP address or CIDR block that may visit, such as 203.0.113.0/24; may be repeated (default: everybody)',
} as const
/** `--reserve-port`, for TCP and UDP tunnels. */
export const RESERVE_PORT = {
  type: 'string',
  requiresArg: true,
  describe: 'the public port, reserved for this tunnel (default: the port that this target had before)',
} as const
/** `--json`: the fields of the objects are promised to programs. */
export const JSON_LINES = { type: 'boolean', describe: 'one JSON object a line, for programs' } as const
/** `--detach`: the daemon keeps it up, also after a reboot where it is installed. */
export const DETACH = {
  type: 'boolean',
  describe: 'hand it over to the daemon, which keeps it up from now on; see "pbt daemon --help"',
} as const
