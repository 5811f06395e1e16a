import { DomainsPage } from '../../../domains/domains-page'

export default function Page() {
  return <DomainsPage />
}
