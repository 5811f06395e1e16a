import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from './problems.ts'
import { readConfig, type Sources } from './read.ts'
import { keyOf, SETTING_NAMES, variableOf } from './settings.ts'

const NOTHING: Sources = { environment: {}, flags: {}, home: '/home/ada' }

function problemsOf(sources: Partial<Sources>): Record<string, string> {
  try {
    readConfig({ ...NOTHING, ...sources })
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return Object.fromEntries(error.problems.map(({ key, source, value }) => [key, `${source} ${value}`]))
  }
  assert.fail('the settings were accepted')
}

test('without any setting everything works on one machine alone', () => {
  const config = readConfig(NOTHING)
  assert.equal(config.baseDomain, 'localhost')
  assert.equal(config.httpsPort, 8443)
  assert.equal(config.httpPort, 8080)
  assert.equal(config.dataDir, '/home/ada/.local/share/pbt-server')
  assert.deepEqual(config.bindAddress, ['127.0.0.1', '::1'])
  assert.deepEqual(config.portRange, { first: 20_000, last: 40_000 })
})

test('the data directory is what systemd or the desktop says', () => {
  const dataDir = (environment: Sources['environment']) => readConfig({ ...NOTHING, environment }).dataDir
  assert.equal(dataDir({ XDG_DATA_HOME: '/data' }), '/data/pbt-server')
  assert.equal(dataDir({ XDG_DATA_HOME: '/data', STATE_DIRECTORY: '/var/lib/pbt-server' }), '/var/lib/pbt-server')
  assert.equal(dataDir({ STATE_DIRECTORY: '/var/lib/pbt-server:/var/lib/other' }), '/var/lib/pbt-server')
})

test('a flag comes before the environment, and the environment before the file', () => {
  const config = readConfig({
    ...NOTHING,
    file: { name: 's.yaml', text: 'https-port: 1\nhttp-port: 2\ndrain-seconds: 3\n' },
    environment: { PBT_SERVER_HTTPS_PORT: '11', PBT_SERVER_HTTP_PORT: '12', PBT_SERVER: 'the client reads this' },
    flags: { 'https-port': '21', 'log-level': undefined },
  })
  assert.deepEqual([config.httpsPort, config.httpPort, config.drainSeconds], [21, 12, 3])
})

test('every setting can be given in all three ways', () => {
  const values: Record<string, string> = {
    'base-domain': 'Tünnel.Example.com.',
    'data-dir': '/d',
    'bind-address': '0.0.0.0, ::1',
    'https-port': '443',
    'http-port': '80',
    'public-https-port': '9443',
    'public-http-port': '9080',
    'dns-port': '53',
    'dns-address': '127.0.0.1, ::1',
    'dns-resolver': '[::1]:5353',
    'port-range': '5000-6000',
    'public-address': '203.0.113.7',
    'tls-cert': '/a.pem,/b.pem',
    'tls-key': '/a.key,/b.key',
    'acme-directory': 'https://ca.test/dir',
    'acme-ca': '/ca.pem',
    'acme-email': 'me@mine.uk',
    'acme-profile': 'shortlived',
    'admin-allow': '192.0.2.0/24, ::1',
    'trusted-proxies': '10.0.0.0/8, ::1',
    'proxy-fields': 'Remote-User, x-forwarded-user',
    'isolate-cookies': 'true',
    'response-timeout-seconds': '60',
    'connections-per-address': '100',
    'new-connections-per-second': '20',
    'least-upload-rate': '512',
    'memory-limit-megabytes': '512',
    'drain-seconds': '5',
    'access-log-days': '7',
    'access-log-megabytes': '100',
    'metrics-port': '9464',
    'metrics-address': '::1',
    'otlp-endpoint': 'http://127.0.0.1:4318/v1/metrics',
    'otlp-interval-seconds': '10',
    'notify-url': 'https://ntfy.sh/topic, http://127.0.0.1:9000/hook',
    'notify-kinds': 'tunnel.*, client.gone',
    'notify-secret-file': '/s',
    'notify-secret': 'a secret of some length',
    'log-level': 'debug',
  }
  assert.deepEqual(Object.keys(values), SETTING_NAMES.map(keyOf))
  const text = Object.entries(values)
    .map(([key, value]) => `${key}: "${value}"\n`)
    .join('')
  const fromFile = readConfig({ ...NOTHING, file: { name: 's.yaml', text } })
  const environment = Object.fromEntries(SETTING_NAMES.map(name => [variableOf(name), values[keyOf(name)]]))
  assert.deepEqual(readConfig({ ...NOTHING, environment }), fromFile)
  assert.deepEqual(readConfig({ ...NOTHING, flags: values }), fromFile)
  assert.equal(fromFile.baseDomain, 'xn--tnnel-kva.example.com')
  assert.deepEqual(fromFile.bindAddress, ['0.0.0.0', '::1'])
  assert.deepEqual(fromFile.tlsKey, ['/a.key', '/b.key'])
  assert.deepEqual(fromFile.proxyFields, ['remote-user', 'x-forwarded-user'])
})

test('YAML values have their own types', () => {
  const text = 'https-port: 443\nbind-address: ["::1"]\nlog-level: # nothing\ndrain-seconds: 0\nisolate-cookies: true\n'
  const config = readConfig({ ...NOTHING, file: { name: 's.yaml', text } })
  assert.deepEqual(
    [config.httpsPort, config.bindAddress, config.logLevel, config.drainSeconds, config.isolateCookies],
    [443, ['::1'], 'info', 0, true],
  )
})

test('an empty file is a file without settings', () => {
  assert.equal(readConfig({ ...NOTHING, file: { name: 's.yaml', text: '# nothing yet\n' } }).httpsPort, 8443)
})

test('a variable that no setting has, or that a container platform made, is told and counts for nothing', () => {
  const told: string[] = []
  const environment = { PBT_SERVER_COLOUR: 'red', PBT_SERVER_HTTPS_PORT: 'tcp://10.0.0.1:443', PBT_SERVER_CONFIG: 'x' }
  const config = readConfig({ ...NOTHING, environment, warn: variable => told.push(variable) })
  assert.deepEqual([told, config.httpsPort], [['PBT_SERVER_COLOUR', 'PBT_SERVER_HTTPS_PORT'], 8443])
})

test('all problems are reported at once, each with its place and value', () => {
  const problems = problemsOf({
    file: { name: 's.yaml', text: '# ports\nhttps-port: 70000\nhtps-port: 1\nbase-domain: a_b\n' },
    environment: { PBT_SERVER_DRAIN_SECONDS: '-1', PBT_SERVER_COLOUR: 'red', PBT_SERVER_CONFIG: 's.yaml' },
    flags: { 'port-range': '9-1', 'bind-address': '::1,localhost', 'http-port': ['1', '2'] },
  })
  assert.deepEqual(problems, {
    'https-port': 's.yaml:2 70000',
    'htps-port': 's.yaml:3 1',
    'base-domain': 's.yaml:4 a_b',
    'drain-seconds': 'PBT_SERVER_DRAIN_SECONDS -1',
    'port-range': '--port-range 9-1',
    'bind-address': '--bind-address ::1,localhost',
    'http-port': '--http-port ["1","2"]',
  })
})

test('a key that stands twice and a file that is no map are refused', () => {
  assert.match(problemsOf({ file: { name: 's.yaml', text: 'http-port: 1\nhttp-port: 2\n' } })[''] ?? '', /^s.yaml:2/)
  assert.match(problemsOf({ file: { name: 's.yaml', text: '- http-port\n' } })[''] ?? '', /^s.yaml/)
})

test('what does not fit together is refused', () => {
  assert.deepEqual(Object.keys(problemsOf({ flags: { 'https-port': '99', 'http-port': '99' } })), ['http-port'])
  const shared = { 'public-https-port': '99', 'public-http-port': '99' }
  assert.deepEqual(Object.keys(problemsOf({ flags: shared })), ['public-http-port'])
  assert.deepEqual(Object.keys(problemsOf({ flags: { 'tls-cert': 'a.pem' } })), ['tls-key'])
  assert.deepEqual(Object.keys(problemsOf({ flags: { 'base-domain': 'example.com', 'acme-directory': 'off' } })), [
    'tls-cert',
  ])
  assert.deepEqual(Object.keys(problemsOf({ flags: { 'dns-port': '53' } })), ['dns-port'])
  for (const value of ['1.2.3.4:53', 'eth0']) {
    assert.deepEqual(Object.keys(problemsOf({ flags: { 'dns-address': value } })), ['dns-address'])
  }
  assert.deepEqual(Object.keys(problemsOf({ file: { name: 's.yaml', text: 'bind-address: []' } })), ['bind-address'])
})

test('a base domain is a domain name and nothing else', () => {
  for (const domain of ['', '127.0.0.1', '::1', 'a..b', '-a.b', 'a b', 'a/b', `${'a'.repeat(64)}.b`, 'a.b:443']) {
    assert.deepEqual(Object.keys(problemsOf({ flags: { 'base-domain': domain } })), ['base-domain'], domain)
  }
})

test('what a proxy is believed is no field of the server and none that ends at each hop', () => {
  const own = [
    'X-Forwarded-For',
    'x-forwarded-port',
    'Forwarded',
    'X-Real-IP',
    'Host',
    'Connection',
    'Transfer-Encoding',
  ]
  for (const field of [...own, 'Content-Length', 'Proxy', 'PBT-Error', 'Remote User', 'Remote-User:', 'a\u00e4']) {
    assert.deepEqual(Object.keys(problemsOf({ flags: { 'proxy-fields': field } })), ['proxy-fields'], field)
  }
  for (const value of ['yes', '1', 'on', '']) {
    assert.deepEqual(Object.keys(problemsOf({ flags: { 'isolate-cookies': value } })), ['isolate-cookies'], value)
  }
})
