import { Suspense } from 'react'
import { Metrics } from '../../../metrics/metrics'

export default function Page() {
  return (
    <Suspense>
      <Metrics />
    </Suspense>
  )
}
