// pbt as one file that any Node from 24 on runs: `node pbt.mjs http 3000`.
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { build, type Plugin } from 'esbuild'

/** Packages in the older form of modules ask for parts of Node while they run. */
const BANNER = `#!/usr/bin/env node
import { createRequire as createRequireForBundle } from 'node:module'
if (Number(process.versions.node.split('.')[0]) < 24) {
  process.stderr.write(\`pbt: Node \${process.versions.node} is too old: this file needs Node 24 or later\\n\`)
  process.exit(1)
}
const require = createRequireForBundle(import.meta.url)`

/** Writes the file. */
export async function bundleClient(root: string, file: string): Promise<void> {
  await build({
    ...{ entryPoints: [join(root, 'client/src/main.ts')], outfile: file, bundle: true },
    ...{ platform: 'node', format: 'esm', target: 'node24', logLevel: 'error' },
    legalComments: 'eof',
    banner: { js: BANNER },
    plugins: [versionInside(root)],
  })
  chmodSync(file, 0o755)
}

/** There is no package.json beside the file to read the version from. */
function versionInside(root: string): Plugin {
  const source = join(root, 'client/src/process/version.ts')
  const manifest = JSON.stringify({
    version: JSON.parse(readFileSync(join(root, 'client/package.json'), 'utf8')).version,
  })
  const read = "readFileSync(new URL('../../package.json', import.meta.url), 'utf8')"
  return {
    name: 'version',
    setup: ({ onLoad }) => {
      onLoad({ filter: /client\/src\/process\/version\.ts$/ }, () => {
        const text = readFileSync(source, 'utf8')
        if (!text.includes(read)) throw new Error(`${source} reads the version in another way`)
        return { contents: text.replace(read, JSON.stringify(manifest)), loader: 'ts' }
      })
    },
  }
}
