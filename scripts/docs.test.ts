// The pages that list settings, commands and errors are in step with the code.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { pages } from './docs.ts'

for (const [file, text] of pages()) {
  test(`${file} is what "node scripts/docs.ts" writes`, () => {
    assert.equal(readFileSync(new URL(`../${file}`, import.meta.url), 'utf8'), text)
    assert.ok(text.length > 1000)
  })
}
