#!/usr/bin/env -S node --max-semi-space-size=4
import { launch, SERVER_FLAGS } from '../../scripts/launch.js'

await launch(new URL('../src/main.ts', import.meta.url), SERVER_FLAGS)
