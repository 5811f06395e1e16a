// `npm start`: installs what is missing, then runs the demonstration under the packaged Node.
import { bootstrap } from './bootstrap.js'
import { launch } from './launch.js'

await bootstrap()
await launch(new URL('./demo.ts', import.meta.url))
