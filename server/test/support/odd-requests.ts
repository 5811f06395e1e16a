// What no honest program sends: values of Host, and request targets, that a careless parser stumbles over.

/** One field value each, octets as latin1. */
export const ODD_HOSTS: readonly string[] = [
  '[',
  ']',
  '[::',
  'a b',
  'foo|bar',
  '%',
  '%zz',
  'admin.localhost:',
  'admin.localhost:99999',
  'admin.localhost@x',
  'http://admin.localhost',
  '\\',
  '^',
  '\u00e9',
  '',
  'a'.repeat(8_000),
  '[::1%25lo]',
  'x\ty',
  '..',
  ':',
  '@',
  '#',
  '?',
]

/** For the admin host. */
export const ODD_TARGETS: readonly string[] = [
  '//',
  'http://[/',
  '/%',
  '/pbt.admin.v1.TokenService/ListTokens?%',
  '/pbt.admin.v1.X/Y',
  '*',
  '/grpc.health.v1.Health/Check#',
  `/${'x'.repeat(8_000)}`,
]
