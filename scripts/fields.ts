// The part of docs/limits.md on fields: what no visitor can send to a target, and no tunnel to a visitor.
import { PROXY_FIELDS } from '../server/src/edge/fields/proxy-fields.ts'

/** For docs/limits.md, from the table that the edge goes by. */
export function fieldsSection(): string {
  const rows = PROXY_FIELDS.map(({ tells, names }) => `| ${tells} | ${names.map(name => `\`${name}\``).join(', ')} |`)
  return `## Fields

Services behind proxies trust certain header fields, because only their proxy can set them. Behind a tunnel that proxy is the server, so it
removes such fields of visitors, also from trailers, over any HTTP version and with an upgrade, in every spelling
that some services treat alike: any case, and \`_\`, \`.\` or any other character for a hyphen (CGI, WSGI, Rack and PHP make one variable of them).

- *Set by the server itself* from the connection: \`X-Forwarded-For\`, \`-Proto\`, \`-Host\`, \`-Port\`, \`X-Real-IP\`, \`Forwarded\`, \`pbt-error\`.
- *Never passed on*: \`Proxy\`, which CGI programs see as the variable \`HTTP_PROXY\`; hop-by-hop fields, and those listed in Connection.
- *Only from a proxy* (\`*\` stands for any text):

| tells | fields |
|---|---|
${rows.join('\n')}

A proxy in \`trusted-proxies\` may set \`X-Forwarded-For\`, \`-Proto\`, \`-Host\`, \`-Port\` and \`Forwarded\`, which the server rewrites. Most proxies pass
other fields of a visitor on unchanged, so the rest of the table is dropped from them too, except the fields in \`proxy-fields\`: for a proxy that
authenticates, for example, \`[Remote-User, Remote-Groups]\`. List only fields that it sets or removes on every request. They pass in that
spelling, never as trailers, and only from trusted proxies.

All others pass: \`X-HTTP-Method-Override\` and the like (browser programs need it, and a service that obeys it has to check it
anyway), \`Via\`, \`CDN-Loop\`, request ids and traces, \`Origin\`, \`Referer\`, \`Authorization\`, and all fields of applications. A service that trusts a field
of its own, such as \`X-User\`, is not protected by this list: do not open it to visitors.

### Cookies

A tunnel may set cookies for its own host. With \`Domain=<base domain>\`, or a domain above it, a cookie goes to all tunnels, which single
sign-on for several of them needs; so it passes. Where tunnels must not affect each other, \`isolate-cookies\` strips such cookies from
every response (also interim ones, and those to upgrades) and counts them in \`pbt.cookies.stripped\`; a \`Domain\` that browsers could read in two ways is
stripped too. Trailers of responses never have cookies. Custom domains cannot set cookies for the base domain anyway, unless they lie below a parent of it.

What a page does by script is out of the server's control: \`document.cookie\` can set such cookies as long as the base domain is not on the
[public suffix list](https://publicsuffix.org). The admin host's own cookie can be neither set nor overwritten by a tunnel's answer or page: its name
begins with \`__Host-\`, which browsers take from that very host only, over https and without a Domain. A tunnel can make a browser forget it, by
\`Clear-Site-Data\` or by very many cookies: you then have to log in again.

`
}
