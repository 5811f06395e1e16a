// What happens to domains, for whoever tells the owner.
import type { Problem } from './records.ts'

/** None of them throws or waits. */
export interface DomainNews {
  /** A client asks for it. */
  added(domain: string): void
  /** Its DNS is right. */
  verified(domain: string): void
  issued(domain: string, notAfter: Date): void
  renewed(domain: string, notAfter: Date): void
  /** A certificate is ordered. */
  ordered(domain: string): void
  /** No new certificate. */
  failed(domain: string, problem: Problem): void
}
