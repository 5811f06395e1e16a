import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { exampleFile } from './example.ts'
import { readConfig } from './read.ts'
import { defaultTextOf, keyOf, SETTING_NAMES, SETTINGS } from './settings.ts'

test('the example is in step with the table; node server/src/config/example.ts writes it', () => {
  const example = new URL('../../../deploy/server.example.yaml', import.meta.url)
  assert.equal(readFileSync(example, 'utf8'), exampleFile())
})

test('the example with every line in effect says the defaults', () => {
  const nothing = { environment: {}, flags: {}, home: '/home/ada' }
  const text = exampleFile().replace(/^#([a-z-]+:)/gm, '$1')
  assert.deepEqual(readConfig({ ...nothing, file: { name: 'example', text } }), readConfig(nothing))
})

test('every setting is explained', () => {
  for (const name of SETTING_NAMES) {
    assert.ok(SETTINGS[name].doc.length > 20, keyOf(name))
    assert.notEqual(defaultTextOf(name), '', keyOf(name))
  }
})
