// `npm run check`: installs what is missing, then runs all checks under the packaged Node.

import { launch } from '../launch/launch.js'
import { bootstrap } from './bootstrap.js'

await bootstrap()
await launch(new URL('./checks.ts', import.meta.url))
