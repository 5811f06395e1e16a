// `npm start`: installs what is missing, then runs the demonstration under the packaged Node.

import { launch } from '../launch/launch.js'
import { bootstrap } from './bootstrap.js'

await bootstrap()
await launch(new URL('./demo.ts', import.meta.url))
