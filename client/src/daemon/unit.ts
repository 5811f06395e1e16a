// The systemd unit of the daemon, as text: for the manager of a user, or of the system.

/** What a unit says that differs from machine to machine. */
export interface UnitOptions {
  /** Node with its flags, and the program's file; absolute. No shell, and no secret. */
  readonly command: readonly string[]
  readonly isSystem: boolean
  /** The directory of the client's files. */
  readonly home: string
  /** Variables that say where files are; nothing secret. */
  readonly environment: Readonly<Record<string, string>>
}

/** Told from units that others wrote. */
export const MARKER = '# Written by "pbt daemon install"; "pbt daemon uninstall" removes it.'
export const UNIT = 'pbt.service'
/** The home of the daemon of the system: its StateDirectory=. */
export const SYSTEM_HOME = '/var/lib/pbt'

/** Of both: what needs no namespaces, which managers of users may not make. */
const GUARDS = `NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
# AF_NETLINK: which networks there are.
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
UMask=0077`

/** Besides what DynamicUser= brings, a /tmp of its own too. Not MemoryDenyWriteExecute: V8 compiles while it runs. */
const SYSTEM_GUARDS = `CapabilityBoundingSet=
PrivateDevices=yes
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
# Every connection of a visitor is a descriptor.
LimitNOFILE=65536`

/** The whole file. */
export function unitText({ command, isSystem, home, environment }: UnitOptions): string {
  const variables = Object.entries(environment).map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`)
  const program = command.map(quoted).join(' ')
  const isInHome = command.some(part => /^\/(home|root)\//.test(part))
  const account = `# A user of its own, which systemd makes; its files are in ${SYSTEM_HOME}.
DynamicUser=yes
User=pbt
StateDirectory=pbt
StateDirectoryMode=0700
ProtectHome=${isInHome ? 'read-only' : 'yes'}
${SYSTEM_GUARDS}
`
  return `${MARKER}
[Unit]
Description=pbt, keeps tunnels up
${isSystem ? 'After=network-online.target\nWants=network-online.target\n' : ''}# Nothing that fails for a while ends it, so it may be started as often as it takes.
StartLimitIntervalSec=0

[Service]
Type=exec
# No token here: it is in ${home}, for its owner only.
ExecStart=${program} daemon run
WorkingDirectory=/
${variables.join('\n')}
# More variables, such as HTTPS_PROXY, one in a line; need not be there.
EnvironmentFile=-${specifiers(home)}/environment

# What is under way may end within 10 s.
KillSignal=SIGTERM
TimeoutStopSec=15
Restart=on-failure
RestartSec=0.5
# 3: the token was refused, 5: the owner ended it. A restart does not help.
RestartPreventExitStatus=3 5

${isSystem ? account : ''}${GUARDS}

[Install]
WantedBy=${isSystem ? 'multi-user.target' : 'default.target'}
`
}

/** A word of a command line or an assignment, as systemd.syntax(7) and systemd.service(5) have it. */
function quoted(word: string): string {
  const text = specifiers(word).replaceAll('$', '$$$$')
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `"${text.replace(/[\\"]/g, '\\$&')}"`
}

/** `%` begins what systemd replaces. */
function specifiers(text: string): string {
  return text.replaceAll('%', '%%')
}
