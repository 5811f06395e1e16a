import { TunnelPage } from '../../../tunnel/tunnel-page'

export default function Page() {
  return <TunnelPage />
}
