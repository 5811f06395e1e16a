// The panel is exported as files: pbt-server serves them from its own host, at the root, by exact name.
import { fileURLToPath } from 'node:url'
import type { NextConfig } from 'next'

const config: NextConfig = {
  output: 'export',
  // `npm run panel` builds beside what is served, and changes them over.
  ...(process.env.PBT_PANEL_OUT && { distDir: process.env.PBT_PANEL_OUT }),
  // `npm run check` holds the types, with the compiler that the whole workspace uses.
  typescript: { ignoreBuildErrors: true, tsconfigPath: 'tsconfig.json' },
  transpilePackages: ['@pbt/proto'],
  turbopack: { root: fileURLToPath(new URL('..', import.meta.url)) },
  // No badge of the development server in screenshots.
  devIndicators: false,
}

export default config
