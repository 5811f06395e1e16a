import { CSPProvider } from '@base-ui/react/csp-provider'
import type { Metadata, Viewport } from 'next'
import type { ReactNode } from 'react'
import { Announcer } from '../components/announce'
import { Sprite } from '../components/sprite'
import { EARLY_THEME } from '../components/theme-early'
import { EARLY_WATCH } from '../live/early'
import { Questions } from '../live/live'
import './globals.css'

export const metadata: Metadata = { title: 'pbt', robots: 'noindex' }
export const viewport: Viewport = {
  width: 'device-width',
  initialScale: 1,
  viewportFit: 'cover',
  interactiveWidget: 'resizes-content',
}

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en" suppressHydrationWarning>
      <head>
        {/* biome-ignore lint/security/noDangerouslySetInnerHtml: our own constant text, whose hash is in the policy */}
        <script dangerouslySetInnerHTML={{ __html: `${EARLY_THEME};${EARLY_WATCH}` }} />
      </head>
      <body>
        <Sprite />
        <CSPProvider disableStyleElements>
          <Questions>{children}</Questions>
          <Announcer />
        </CSPProvider>
      </body>
    </html>
  )
}
