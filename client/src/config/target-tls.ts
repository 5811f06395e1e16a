// How the certificate of an https target is judged: what the options say of it, as part of the target.
import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { createSecureContext, type SecureContext } from 'node:tls'
import { Failure } from '../failure.ts'
import { type Environment, readText } from './config.ts'
import type { Target } from './target.ts'

/** The options of the command line about the target's certificate, not checked yet. */
export interface TargetTlsOptions {
  /** Check it on this machine too. */
  readonly verifyTarget: boolean
  /** Path of the certificates that are trusted instead of the usual authorities. */
  readonly targetCa: string | undefined
  /** Take any. */
  readonly insecureTarget: boolean
  /** The name to ask for, and to look for in it. */
  readonly targetName: string | undefined
}

const NAME = /^(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/i

/** The target with these options. Throws Failure `usage` for those that cannot be, or that contradict each other. */
export function withTls(target: Target, options: TargetTlsOptions, env: Environment = process.env): Target {
  const { verifyTarget, targetCa, insecureTarget, targetName } = options
  const given = [
    ...(verifyTarget ? ['--verify-target'] : []),
    ...(targetCa === undefined ? [] : ['--target-ca']),
    ...(insecureTarget ? ['--insecure-target'] : []),
    ...(targetName === undefined ? [] : ['--target-name']),
  ]
  if (given.length === 0) return target
  if (!target.isTls) {
    throw new Failure(
      'usage',
      `${given.join(', ')} cannot be used: target "${target.label}" is not https and has no certificate`,
      {
        cure: 'give it as https://HOST:PORT, or leave the option out',
      },
    )
  }
  const checks = given.filter(option => option === '--verify-target' || option === '--target-ca')
  if (insecureTarget && checks.length > 0) {
    throw new Failure('usage', `--insecure-target takes any certificate, ${checks.join(' and ')} does not`, {
      cure: 'leave one of them out',
    })
  }
  return {
    ...target,
    serverName: targetName === undefined ? target.serverName : checkedName(targetName),
    isVerified: !insecureTarget && (target.isVerified || checks.length > 0),
    trusted: targetCa === undefined ? undefined : readAuthorities(targetCa, env),
  }
}

function checkedName(name: string): string {
  const lower = name.toLowerCase().replace(/\.$/, '')
  if (NAME.test(lower) && lower.length <= 253 && isIP(lower) === 0) return lower
  throw new Failure('usage', `--target-name "${name}" cannot be used: it is not a host name`, {
    cure: 'give the name in the certificate of the target, such as nas.lan',
  })
}

function readAuthorities(path: string, env: Environment): SecureContext {
  const ca = readText(path, '--target-ca', env)
  try {
    new X509Certificate(ca)
    // The certificate of the target itself will do, whoever signed it.
    return createSecureContext({ ca, allowPartialTrustChain: true })
  } catch (cause) {
    throw new Failure('usage', `--target-ca "${path}" is not a certificate in PEM form`, {
      cure: 'give a file that begins with "-----BEGIN CERTIFICATE-----": that of the authority, or of the target itself',
      cause,
    })
  }
}
