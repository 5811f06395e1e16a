import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultConfigFile, loadSettings } from './load.ts'
import { ConfigError } from './problems.ts'

test('the file is looked for where systemd or the desktop keeps configuration', () => {
  assert.equal(defaultConfigFile({}, '/home/ada'), '/home/ada/.config/pbt-server/server.yaml')
  assert.equal(defaultConfigFile({ XDG_CONFIG_HOME: '/c' }, '/home/ada'), '/c/pbt-server/server.yaml')
  assert.equal(defaultConfigFile({ CONFIGURATION_DIRECTORY: '/etc/pbt-server' }, '/'), '/etc/pbt-server/server.yaml')
})

test('a file that is named must be there', () => {
  assert.throws(
    () => loadSettings('/does/not/exist.yaml', {}),
    (error: unknown) => error instanceof ConfigError && error.problems[0]?.value === '/does/not/exist.yaml',
  )
})
