#!/usr/bin/env node
import { CLIENT_FLAGS, launch } from '../../launch/launch.js'

await launch(new URL('../src/main.ts', import.meta.url), CLIENT_FLAGS)
