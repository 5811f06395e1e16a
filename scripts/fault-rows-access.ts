// Who is let in, and where what he sends is led: tokens, the admin host, names and fields.
import { ADDED, row, type Section } from './fault-row.ts'

/** In the order of the page. */
export const ACCESS: readonly Section[] = [
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
]
