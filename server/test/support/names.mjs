// Imported into a program (NODE_OPTIONS): names that end in `.test` are looked up in the file that PBT_TEST_NAMES names, which holds
// an object of addresses, and so changes whenever the test writes it.
import dns from 'node:dns'
import { readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const { lookup } = dns

dns.lookup = (host, ...rest) => {
  if (!host.endsWith('.test')) return lookup(host, ...rest)
  const call = rest.at(-1)
  const { all } = typeof rest[0] === 'object' ? rest[0] : {}
  const address = JSON.parse(readFileSync(process.env.PBT_TEST_NAMES, 'utf8'))[host]
  const found = address === undefined ? Object.assign(new Error(`ENOTFOUND ${host}`), { code: 'ENOTFOUND' }) : null
  const family = 4
  setImmediate(() =>
    all ? call(found, address === undefined ? [] : [{ address, family }]) : call(found, address, family),
  )
}
const { lookup: lookUp } = dns.promises
dns.promises.lookup = (host, options) =>
  host.endsWith('.test')
    ? new Promise((resolve, reject) => {
        dns.lookup(host, { ...options, all: true }, (error, found) => {
          if (error) reject(error)
          else resolve(options?.all ? found : found[0])
        })
      })
    : lookUp(host, options)
syncBuiltinESMExports()
