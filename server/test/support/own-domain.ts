// A server whose base domain is a real one, pbt.test: clients look its name up, and do not take it for this machine.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Cleaner, scratch } from './programs.ts'

export const OWN_DOMAIN = 'pbt.test'

/** For pbt.test and *.pbt.test, signed by itself: nobody trusts it who was not told to. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBnjCCAUSgAwIBAgIUIVZGFMqhbZqsTI4RQg5MnIKJFX4wCgYIKoZIzj0EAwIw
EzERMA8GA1UEAwwIcGJ0LXRlc3QwIBcNMjYxMTI4MTI1OTA2WhgPMjEyNjExMDQx
MjU5MDZaMBMxETAPBgNVBAMMCHBidC10ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAES6x7lzxdfvI18TnTxt7yULQ8pfYW86Gh/DO5oId2bMoss/119hFYhXS+
IEzMg3U6DUv/CTL9qiTlyZW9EfXS0qN0MHIwHQYDVR0OBBYEFBX4VmwiOXrhcOp6
ExomDXtZQWJsMB8GA1UdIwQYMBaAFBX4VmwiOXrhcOp6ExomDXtZQWJsMA8GA1Ud
EwEB/wQFMAMBAf8wHwYDVR0RBBgwFoIIcGJ0LnRlc3SCCioucGJ0LnRlc3QwCgYI
KoZIzj0EAwIDSAAwRQIgSbBLaKx0bviB9B1ZByv/l+S00JK6gCVVf6W/QciJ6fMC
IQDkOdV8hJlEnmPrcemr/gGYGO10VD2oJvtW2CtiUXg/Mw==
-----END CERTIFICATE-----
`

const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgcTVzRvXWmruw5tFy
kTTghb8KaBKhk5qnOIHDAZZcDHahRANCAARLrHuXPF1+8jXxOdPG3vJQtDyl9hbz
oaH8M7mgh3Zsyiyz/XX2EViFdL4gTMyDdToNS/8JMv2qJOXJlb0R9dLS
-----END PRIVATE KEY-----
`

/** The server's arguments, and the authority for PBT_CA. */
export function ownDomain(t: Cleaner): { readonly serverArgs: readonly string[]; readonly ca: string } {
  const directory = scratch(t)
  const [ca, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
  writeFileSync(ca, CERTIFICATE)
  writeFileSync(key, KEY, { mode: 0o600 })
  return { serverArgs: ['--base-domain', OWN_DOMAIN, '--tls-cert', ca, '--tls-key', key], ca }
}
