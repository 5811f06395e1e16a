// `npm run check`: installs what is missing, then runs all checks under the packaged Node.
import { bootstrap } from './bootstrap.js'
import { launch } from './launch.js'

await bootstrap()
await launch(new URL('./checks.ts', import.meta.url))
