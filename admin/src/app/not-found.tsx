import Link from 'next/link'

/** Own, because Next's has inline styles. */
export default function NotFound() {
  return (
    <div className="login">
      <main className="box">
        <div className="card pad-all">
          <h1>There is no such page</h1>
          <p className="muted small">The address may be of an older version of the panel.</p>
          <p className="gap-top">
            <Link href="/">To the dashboard</Link>
          </p>
        </div>
      </main>
    </div>
  )
}
