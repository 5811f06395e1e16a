import { ClientsPage } from '../../../clients/clients-page'

export default function Page() {
  return <ClientsPage />
}
