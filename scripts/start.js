// `npm start`: installs what is missing, then runs the demonstration under the packaged Node.

import { fileURLToPath } from 'node:url'
import { launch } from '../launch/launch.js'
import { bootstrap } from './bootstrap.js'

await bootstrap()
// All its programs start from what Node has compiled before: half a second less for each. It goes away with the packages.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../node_modules/.cache/pbt-compiled', import.meta.url))
await launch(new URL('./demo.ts', import.meta.url))
