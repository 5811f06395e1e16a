// Imported into a server (NODE_OPTIONS): what its issuing processes run is a library that goes wrong, by the first label of the name.
import { registerHooks } from 'node:module'

const RUNNER = /new URL\(`\.\/runner\/main\$\{extname\(import\.meta\.url\)\}`, import\.meta\.url\)/
const BROKEN = new URL('../../server/test/certs/support/broken-library.ts', import.meta.url)

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context)
    if (!/\/certs\/acme\/issuer\/child\.[jt]s$/.test(url)) return loaded
    const source = String(loaded.source)
    if (!RUNNER.test(source)) throw new Error(`${url} starts its process in another way now`)
    return { ...loaded, source: source.replace(RUNNER, `new URL(${JSON.stringify(BROKEN.href)})`) }
  },
})
