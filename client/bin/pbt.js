#!/usr/bin/env -S node --max-semi-space-size=4
import { CLIENT_FLAGS, launch } from '../../scripts/launch.js'

await launch(new URL('../src/main.ts', import.meta.url), CLIENT_FLAGS)
