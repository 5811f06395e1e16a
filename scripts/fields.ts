// The part of docs/limits.md on fields: what no visitor can say to a target, and what no tunnel can say to a visitor.
import { PROXY_FIELDS } from '../server/src/edge/fields/proxy-fields.ts'

/** For docs/limits.md, from the table that the edge goes by. */
export function fieldsSection(): string {
  const rows = PROXY_FIELDS.map(({ tells, names }) => `| ${tells} | ${names.map(name => `\`${name}\``).join(', ')} |`)
  return `## Fields

Services behind proxies believe what certain fields say, because only their proxy can say it. Behind a tunnel that proxy is the edge, so no
visitor's such field reaches a target, before the body or behind it as a trailer, over any HTTP version and with an upgrade. Every spelling
counts that some services read alike: any case, and \`_\`, \`.\` or any other sign for a hyphen (CGI, WSGI, Rack and PHP make one variable of them).

- *The edge's own*, set once from the connection: \`X-Forwarded-For\`, \`-Proto\`, \`-Host\`, \`-Port\`, \`X-Real-IP\`, \`Forwarded\`, \`pbt-error\`.
- *Nobody's*: \`Proxy\`, which CGI programs find as the variable \`HTTP_PROXY\`; hop-by-hop fields, and those that Connection names.
- *A proxy's only* (\`*\`: whatever follows or precedes):

| tells | fields |
|---|---|
${rows.join('\n')}

A proxy of \`trusted-proxies\` is believed \`X-Forwarded-For\`, \`-Proto\`, \`-Host\`, \`-Port\` and \`Forwarded\`, which go on in the edge's words. Most proxies pass a
visitor's other fields on as they came, so all else above is dropped from them too, except what \`proxy-fields\` names: of a proxy that
authenticates, say, \`[Remote-User, Remote-Groups]\`. Name only fields that it sets or removes on every request. They pass in that spelling, as
fields and never as trailers, and still from nobody else.

What visitors may say passes: \`X-HTTP-Method-Override\` and its like (programs in browsers need it, and a service that obeys it has to judge it
anyway), \`Via\`, \`CDN-Loop\`, request ids and traces, \`Origin\`, \`Referer\`, \`Authorization\`, and all fields of applications. A service that trusts a field
of its own making, such as \`X-User\`, is not helped by this list: it must not be open to visitors.

### Cookies

A tunnel may set cookies for its own host. With \`Domain=<base domain>\`, or a domain above it, a cookie goes to all tunnels, which is what one
sign-on for several of them needs; so it passes. Where tunnels are not to reach each other, \`isolate-cookies\` strips such cookies from
every answer (also interim ones, and those to upgrades) and counts them in \`pbt.cookies.stripped\`; a \`Domain\` that browsers could read in two ways is
stripped too. Answers' trailers never have cookies. Custom domains cannot set cookies for the base domain anyway, unless they lie below a parent of it.

What a page does by script is beyond the edge: \`document.cookie\` can set such cookies as long as the base domain is not on the
[public suffix list](https://publicsuffix.org). The admin host's own cookie can be neither set nor overwritten by a tunnel's answer or page: its name
begins with \`__Host-\`, which browsers take from that very host only, over https and without a Domain. A tunnel can make a browser forget it, by
\`Clear-Site-Data\` or by very many cookies: whoever is logged in then has to log in again.

`
}
