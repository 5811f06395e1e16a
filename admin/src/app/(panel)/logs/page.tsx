import { Suspense } from 'react'
import { Logs } from '../../../logs/logs'

export default function Page() {
  return (
    <Suspense>
      <Logs />
    </Suspense>
  )
}
