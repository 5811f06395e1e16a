import { Suspense } from 'react'
import { Settings } from '../../../settings/settings'

export default function Page() {
  return (
    <Suspense>
      <Settings />
    </Suspense>
  )
}
