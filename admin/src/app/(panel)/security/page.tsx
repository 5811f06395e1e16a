import { SecurityPage } from '../../../security/security-page'

export default function Page() {
  return <SecurityPage />
}
