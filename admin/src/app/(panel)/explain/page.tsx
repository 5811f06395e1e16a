import { Suspense } from 'react'
import { Explain } from '../../../explain/explain'

export default function Page() {
  return (
    <Suspense>
      <Explain />
    </Suspense>
  )
}
