#!/usr/bin/env node
import '../../launch/lean-http.js'
import { launch, SERVER_FLAGS } from '../../launch/launch.js'

await launch(new URL('../src/main.ts', import.meta.url), SERVER_FLAGS)
