// The faults and attacks that pbt has to withstand, and what must happen then.

export interface Fault {
  readonly id: string
  /** P0 stops a release, P1 must hold before anyone calls it reliable, P2 may wait. */
  readonly priority: 'P0' | 'P1' | 'P2'
  readonly fault: string
  readonly expected: string
  /** Why no test has it yet; without effect when one does. */
  readonly pending?: string
  /** Why it is not for a test, or not a part of what exists. */
  readonly reason?: string
}

/** Dropped by itself once there is a test. */
const ADDED = 'not tested yet'

/** In the order of the page. */
export const SECTIONS: readonly (readonly [title: string, rows: readonly Fault[]])[] = [
  [
    'Tokens on the link',
    [
      row(
        'A1',
        'P0',
        'token at rest',
        '256 random bits, stored as a hash only, never in logs, arguments or errors; 0600',
        ADDED,
      ),
      row(
        'A2',
        'P0',
        'odd or missing credentials',
        'refused with one and the same message, compared in constant time',
        ADDED,
      ),
      row(
        'A3',
        'P0',
        'guessing tokens',
        'limited by address, IPv6 by /64; the right token from elsewhere is served',
        ADDED,
      ),
      row(
        'A4',
        'P0',
        'rotation of the token',
        'sessions of the old one end within a second, their clients say what to do; the new one serves at once',
        ADDED,
      ),
    ],
  ],
  [
    'The admin host',
    [
      row(
        'A5',
        'P0',
        'paths of the API on the host of a tunnel',
        'reach the tunnel; no tunnel gets a name of the server',
      ),
      row(
        'A6',
        'P0',
        'another host, server name or Host, rebinding',
        '421 or 404 before any work; no shape of it ends the process',
      ),
      row(
        'A7',
        'P0',
        'calls that a page of another site, or of a tunnel, begins',
        'exact origin, same-origin alone, types that no form has, no GET: nothing is changed',
      ),
      row('A9', 'P0', 'guessing at the login', 'limited by address; the right token from elsewhere is let in'),
      row(
        'A10',
        'P1',
        'framing and sniffing of the panel',
        'fields that forbid it, at this host alone and never on tunnels',
      ),
      row(
        'A13',
        'P1',
        'the control socket of a client',
        'a unix socket of its owner alone (0600), bounded requests, no TCP',
      ),
      row('A15', 'P1', 'what health, metrics and logs tell', 'nothing without the token'),
    ],
  ],
  [
    'Routing and header hygiene',
    [
      row('B1', 'P0', 'malformed, doubled or missing Host', '400 and close; case, final dot and port are normalised'),
      row('B2', 'P0', 'request target that is no path', 'absolute form must equal Host; the target sees origin form'),
      row('B3', 'P0', 'HTTP/2: host is not :authority, none, userinfo', '400 or a reset stream', ADDED),
      row('B4', 'P0', 'server name is not the host', 'served when the certificate covers both, else 421'),
      row('B5', 'P0', 'ways around an allowlist', 'only the address of the connection counts, for each request', ADDED),
      row(
        'B6',
        'P0',
        'forged forwarding fields, and others that only a proxy may say',
        "removed in every spelling, as fields and as trailers; the edge's own set once; Connection cannot remove them",
      ),
      row(
        'B7',
        'P0',
        'hop-by-hop fields, both ways',
        'removed with those Connection names; TE: trailers kept; no h2c upgrade',
      ),
      row('B8', 'P0', 'fields of one name', 'order and number kept; Set-Cookie never joined, cookie crumbs joined'),
      row('B9', 'P1', 'too many, too long', '431 or 414 and close; just below passes'),
      row(
        'A8',
        'P0',
        'cookies that one tunnel sets for all, or for the panel',
        "pass, for one sign-on; with isolate-cookies stripped from every kind of answer and counted; the panel's own is for its host alone, new at each login",
      ),
      row(
        'B12',
        'P1',
        'ports that are passed on to others',
        'the target and the visitor are told the ones that visitors dial',
        ADDED,
      ),
      row(
        'B13',
        'P1',
        'target that is to see its own name and compares it with where its visitor comes from',
        'Host, Origin, Referer and Destination are rewritten alike; those of other sites stay',
      ),
      row('B11', 'P0', 'look-alike names', 'case does not matter; a name is one label before the base domain'),
    ],
  ],
  [
    'Request framing',
    [
      row('C1', 'P0', 'contradictory or malformed length', '400 and close; nothing behind it reaches the target'),
      row('C2', 'P0', 'disguised Transfer-Encoding', '400 or 501 and close'),
      row('C3', 'P0', 'bare CR or LF, NUL, odd chunk sizes', '400 and close; chunk extensions dropped and bounded'),
      row(
        'C4',
        'P0',
        'heads that say something else when written again',
        '400 or 502, never passed on, never a crash',
        ADDED,
      ),
      row('C5', 'P0', 'HTTP/2 messages that break the rules', 'reset; nothing is forwarded as whole', ADDED),
      row('C6', 'P0', 'upload that breaks off', 'the target sees a cut, never a clean end'),
      row('C7', 'P0', 'download that breaks off', 'the visitor sees a cut, never a clean end'),
      row(
        'C8',
        'P0',
        'something of an exchange is left on the connection to the target: surplus bytes, an early answer, a body of another length',
        'that connection is not used again',
      ),
      row('C9', 'P1', 'answer that could be split or misread', '502 `target-broke`; the session goes on'),
      row(
        'C10',
        'P0',
        'target that authenticates the connection (NTLM, Negotiate)',
        "the connection is that visitor's alone, and stays it for as long as the visitor's own lasts",
      ),
    ],
  ],
  [
    'HTTP semantics',
    [
      row('D1', 'P1', 'Expect: 100-continue', 'the target decides; an unknown expectation is 417'),
      row('D2', 'P1', 'interim answers', '102 and 103 pass; a flood is 502 after 32'),
      row('D3', 'P0', 'HEAD, 204, 304', 'no body, length kept, connection used again'),
      row('D4', 'P1', 'trailers and gRPC', 'pass both ways; forbidden fields are dropped'),
      row('D5', 'P0', 'event streams and long polls', 'each chunk passes when it comes'),
      row('D7', 'P0', 'large and slow bodies', 'constant memory, no limit of time, every byte'),
      row(
        'D9',
        'P0',
        'WebSocket handshake, and other upgrades',
        'the target accepts or refuses; no early byte is lost; behind a body, or without the upgrade; ignored in HTTP/1.0',
      ),
      row('D10', 'P0', 'a WebSocket peer dies', 'the other side ends; the programs go on'),
      row('D11', 'P2', 'WebSocket over HTTP/2', 'not advertised', ADDED),
      row(
        'D12',
        'P1',
        'request without content or length',
        'to a target of HTTP/1.1 it says `Content-Length: 0` where its method expects content',
      ),
    ],
  ],
  [
    'Exhaustion from the public side',
    [
      row(
        'E1',
        'P0',
        'slow or silent visitors',
        'time limits for handshake, head and first request; slow bodies are borne while there is room, and go where it is short; others are served',
        ADDED,
      ),
      row('E2', 'P0', 'HTTP/2 floods', "the attacker's connection ends; others see no error", ADDED),
      row('E3', 'P0', 'streams without number', 'at most 128 a connection', ADDED),
      row('E4', 'P0', 'visitors who do not read', 'bounded memory; other tunnels as quick as before', ADDED),
      row('E5', 'P0', 'descriptors run out', 'new visitors are refused, sessions go on, accepting resumes', ADDED),
      row('E6', 'P1', 'memory limit', 'load is shed before the process is killed', ADDED),
      row('E7', 'P1', 'floods of connections', 'limits by address', ADDED),
      row('E8', 'P0', 'unknown names without number', 'no work and no memory for them', ADDED),
      row(
        'E9',
        'P1',
        'growth of logs and database',
        'bounded by size and age',
        undefined,
        'not built yet: the access log',
      ),
      row(
        'E10',
        'P0',
        'a visitor ends in any way, at any stage',
        'its channel, its sockets and its request at the target are over within a second; nothing stays for others to miss',
        ADDED,
      ),
    ],
  ],
  [
    'TCP and UDP',
    [
      row('F1', 'P0', 'half-close', 'one direction ends, the other lives on', ADDED),
      row('F2', 'P0', 'reset of one side', 'reset of the other within a second', ADDED),
      row('F3', 'P0', 'tunnel lost in the middle', 'visitors are reset, not ended', ADDED),
      row('F4', 'P0', 'target refuses or does not answer', 'the visitor is reset', ADDED),
      row('F5', 'P0', 'target speaks first, single bytes, silence', 'passed at once, no idle limit', ADDED),
      row('F6', 'P0', 'port taken, outside the range, reserved', 'refused with the reason; TCP and UDP apart', ADDED),
      row('F7', 'P1', 'no port left', 'refused with the range; a released one is given again', ADDED),
      row('F8', 'P0', 'port whose client is away', 'refused at once, never held', ADDED),
      row('F10', 'P0', 'flows without number', 'at most 4,096 a tunnel, the oldest idle one goes', ADDED),
      row(
        'F11',
        'P0',
        'UDP reflection',
        'replies only to an address that sent: 64 KiB and 60 times what came, over all tunnels, unless one sets another factor or the handshake of WireGuard or QUIC shows that they arrive',
        ADDED,
      ),
      row('F12', 'P0', 'empty and largest datagrams', 'kept as they are', ADDED),
      row('F13', 'P1', 'UDP overload', 'dropped and counted; bounded queue', ADDED),
      row(
        'F14',
        'P2',
        'UDP target that has to know its visitors (PROXY protocol)',
        "version 2 in front of each flow's first datagram, again where another socket or a target that refused begins anew",
      ),
    ],
  ],
  [
    'The link: malicious or broken peers',
    [
      row('G1', 'P0', 'garbage below the protocol', 'status or close; the process lives', ADDED),
      row('G2', 'P0', 'malformed messages', 'ends that session only; unknown fields are ignored', ADDED),
      row(
        'G3',
        'P0',
        'foreign, closed or repeated channel ids',
        "ignored or the session's end, never another's channel",
        ADDED,
      ),
      row('G4', 'P0', 'credit exceeded, floods of frames', 'the session ends; memory is bounded', ADDED),
      row('G5', 'P0', 'names of others', 'refused; the same client replaces its predecessor at once', ADDED),
      row('G6', 'P0', 'peers without a token', 'deadline and limits', ADDED),
      row('G7', 'P0', 'forged answer heads from a client', '502; the session goes on', ADDED),
      row('G8', 'P1', 'other versions', 'minor ones work, major ones are refused with which side to upgrade', ADDED),
      row('G9', 'P1', 'a token used twice', 'one rule and no back and forth; visible, can be ended', ADDED),
      row('G10', 'P1', 'server that asks for another target', 'the client dials only what its owner configured', ADDED),
    ],
  ],
  [
    'Machines, networks, processes',
    [
      row(
        'H1',
        'P0',
        'client killed',
        'noticed within a second; name kept; nothing left behind; visitors that only waited get 503 `offline`, those it may have served 502 `link-lost`',
        ADDED,
      ),
      row('H2', 'P0', 'client silent', 'noticed within 15 s; comes back by itself', ADDED),
      row('H3', 'P0', 'server silent', 'noticed within 15 s; jittered backoff', ADDED),
      row('H4', 'P0', 'one direction silent', 'the same', ADDED),
      row('H5', 'P0', 'server killed and started', 'same names and ports within seconds', ADDED),
      row('H6', 'P0', 'graceful restart', 'answers under way end; a second signal forces', ADDED),
      row('H7', 'P1', 'all clients at once', 'reconnections are spread', ADDED),
      row('H10', 'P0', 'target down, slow, hanging', 'answered at once; next request is served when it is back', ADDED),
      row('H11', 'P0', 'server killed while it writes', 'everything acknowledged is there', ADDED),
      row('H12', 'P0', 'disk full', 'traffic goes on; changes fail with the reason', ADDED),
      row('H13', 'P1', 'database locked, corrupt, read-only', 'refuses with the reason, never made anew', ADDED),
      row(
        'H15',
        'P1',
        'name service fails, address changes',
        'resolved anew for each attempt; what a name led to is not believed for more than 30 s, nor once it fails',
        ADDED,
      ),
      row('H17', 'P1', 'upgrade, interrupted migration', 'resumable; an older program refuses a newer schema', ADDED),
      row('H18', 'P1', 'uncaught error', 'logged, ends the process', ADDED),
      row('H19', 'P2', 'systemd unit', 'hardened', ADDED),
      row(
        'H20',
        'P1',
        'target that closes connections without a word',
        'no request meets the end: how long it keeps them is learnt, and a new one is made in doubt; nothing is sent twice',
      ),
      row(
        'H21',
        'P1',
        'https target with a certificate of no public authority',
        'refused, and its owner is told the option that helps; impossible options are reported at the start',
      ),
    ],
  ],
  [
    'Surroundings of the programs',
    [
      row(
        'H40',
        'P1',
        'variables that are set to nothing, of a container platform, or slips',
        'ignored; logged once, without their values',
        ADDED,
      ),
      row('H41', 'P1', 'paths with ~', 'the home directory, wherever a path is read; of another user: refused', ADDED),
      row(
        'H42',
        'P1',
        'terminals without a size, dumb or unknown ones',
        'plain lines, the address among them; a size of 0 is an unknown one',
        ADDED,
      ),
      row(
        'H43',
        'P0',
        'output that is not read: a slow reader, a stopped terminal, a closed pipe, a full disk; text of visitors in it',
        'tunnels go on, memory is bounded, what is lost is counted and told; words of strangers are short and escaped',
        ADDED,
      ),
      row(
        'H44',
        'P1',
        'asked to stop, also as a group',
        'the same signal within a second is one; what is under way may end, a second signal ends at once',
        ADDED,
      ),
      row('H45', 'P1', 'kernel without IPv6', 'IPv4 alone, told once; client and targets likewise', ADDED),
    ],
  ],
  [
    'What people read',
    [
      row(
        'H46',
        'P1',
        'a request that cannot be served',
        "whose fault it is in plain sentences; nothing of the owner's network to strangers: the reason stands in the terminal of pbt",
        ADDED,
      ),
      row(
        'H47',
        'P2',
        'what to do next, after a command or an error',
        'right as it stands: with the flags that were given, in the spelling of the command that was run',
        ADDED,
      ),
    ],
  ],
  [
    'The data directory',
    [
      row(
        'H48',
        'P1',
        'a second server on one data directory',
        "refused with the first one's process, unless it is its stand-in (the same inherited sockets); one that crashed is not in the way",
        ADDED,
      ),
      row(
        'H49',
        'P1',
        "the owner's commands on a VPS, as root",
        "they find the service's data, and make no file there that locks it out; others are told to use sudo",
        ADDED,
      ),
      row(
        'H50',
        'P1',
        'settings that are not right, under systemd',
        'not started again and again; the ports close, so that visitors are refused and do not wait; the journal says why, in JSON',
        ADDED,
      ),
    ],
  ],
  [
    'TLS',
    [
      row(
        'I1',
        'P0',
        'a custom domain over HTTP, a wildcard by delegation, from nothing; renewals',
        'a chain that verifies, served without a restart or a connection that is cut',
        ADDED,
      ),
      row(
        'I2',
        'P0',
        'a CA that refuses nonces, reuses authorizations and takes its time',
        'the certificate comes',
        ADDED,
      ),
      row(
        'I3',
        'P0',
        'a CA that is away, slow, answers 5xx or nonsense, or sends a chain that does not fit',
        'the certificate before serves on; state and words are right; tried again after 1, 10, 100 minutes, then daily; the server starts without it',
        ADDED,
      ),
      row(
        'I4',
        'P0',
        'a CA that answers 429 or 503 with Retry-After; its limits',
        'no request before its time, also after a restart; 5 orders for exactly the same names in 7 days, 10 of all in 10 s',
        ADDED,
      ),
      row(
        'I5',
        'P0',
        'DNS missing, SERVFAIL, wrong addresses, CAA forbids, a delegation that does not lead here',
        'found before an order is made; what is missing waits, with the exact record to create; only a definite contrary answer stops an order, what could not be checked warns',
        ADDED,
      ),
      row(
        'I6',
        'P0',
        'certificate run out, half written, with another key, missing',
        'the others serve; only one for clients is needed to start, and what is wrong with each is told',
        ADDED,
      ),
      row(
        'I8',
        'P1',
        'requests for /.well-known/acme-challenge/ on the plain port',
        'own tokens are answered, all others go to the tunnel as they come; everything else goes to https',
        ADDED,
      ),
      row(
        'I9',
        'P1',
        'TLS: renegotiation, old ciphers, no server name, kept tickets',
        "refused; only AEAD with forward secrecy; the base domain's certificate; ticket keys live for hours, whatever resumes",
        ADDED,
      ),
    ],
  ],
]

function row(
  id: string,
  priority: Fault['priority'],
  fault: string,
  expected: string,
  pending?: string,
  reason?: string,
): Fault {
  return {
    id,
    priority,
    fault,
    expected,
    ...(pending === undefined ? {} : { pending }),
    ...(reason === undefined ? {} : { reason }),
  }
}
