// The part of docs/limits.md on fields: what no visitor can say to a target.
import { PROXY_FIELDS } from '../server/src/edge/proxy-fields.ts'

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

`
}
