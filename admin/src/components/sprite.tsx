// The drawings of the panel, our own: icons on a grid of 20, marks on one of 12, and the arch. They are drawn once and used by name.
import type { ReactNode } from 'react'
import type { IconName, MarkName } from './icon'

/** Stands once in every page, unseen. */
export function Sprite() {
  return (
    <svg className="sprite" aria-hidden="true">
      <title>Drawings</title>
      <defs>
        {Object.entries(ICONS).map(([name, drawing]) => (
          <symbol id={`i-${name}`} viewBox="0 0 20 20" key={name}>
            {drawing}
          </symbol>
        ))}
        {Object.entries(MARKS).map(([name, drawing]) => (
          <symbol id={`m-${name}`} viewBox="0 0 12 12" key={name}>
            {drawing}
          </symbol>
        ))}
        <symbol id="logo" viewBox="0 0 26 26">
          {LOGO}
        </symbol>
      </defs>
    </svg>
  )
}

const ICONS: Readonly<Record<IconName, ReactNode>> = {
  home: <path d="M3 9.2 10 3.5l7 5.7V16a1 1 0 0 1-1 1h-3.5v-4.5h-5V17H4a1 1 0 0 1-1-1z" />,
  pin: (
    <>
      <path d="M10 17.5s5.5-5 5.5-9.3a5.5 5.5 0 0 0-11 0c0 4.3 5.5 9.3 5.5 9.3z" />
      <circle cx="10" cy="8.2" r="2" />
    </>
  ),
  globe: (
    <>
      <circle cx="10" cy="10" r="7" />
      <path d="M3 10h14M10 3c2.4 2 3.4 4.3 3.4 7s-1 5-3.4 7c-2.4-2-3.4-4.3-3.4-7s1-5 3.4-7z" />
    </>
  ),
  box: (
    <>
      <rect x="3" y="4" width="14" height="5" rx="1.2" />
      <rect x="3" y="11" width="14" height="5" rx="1.2" />
      <path d="M6 6.5h.01M6 13.5h.01" />
    </>
  ),
  lines: <path d="M3.5 5h13M3.5 10h9M3.5 15h11" />,
  chart: (
    <>
      <path d="M3 3.5V16.5h14" />
      <path d="M6 12.5l3-4 3 2.5 4-6" />
    </>
  ),
  way: (
    <>
      <circle cx="4.5" cy="15" r="2" />
      <circle cx="15.5" cy="5" r="2" />
      <path d="M6.5 15H12a2.5 2.5 0 0 0 0-5H8a2.5 2.5 0 0 1 0-5h5.5" />
    </>
  ),
  key: (
    <>
      <circle cx="7" cy="12.5" r="3.5" />
      <path d="M9.5 10 16.5 3M14 5.5l2 2M12 7.5l1.5 1.5" />
    </>
  ),
  dials: (
    <>
      <path d="M3 6h8M15 6h2M3 14h2M9 14h8" />
      <circle cx="13" cy="6" r="2" />
      <circle cx="7" cy="14" r="2" />
    </>
  ),
  search: (
    <>
      <circle cx="9" cy="9" r="5.5" />
      <path d="m13.2 13.2 3.8 3.8" />
    </>
  ),
  copy: (
    <>
      <rect x="7" y="7" width="9.5" height="9.5" rx="1.5" />
      <path d="M13 7V5a1.5 1.5 0 0 0-1.5-1.5H5A1.5 1.5 0 0 0 3.5 5v6.5A1.5 1.5 0 0 0 5 13h2" />
    </>
  ),
  tick: <path d="m4.5 10.5 3.8 3.8 7.2-8.3" />,
  cross: <path d="m5.5 5.5 9 9M14.5 5.5l-9 9" />,
  bang: <path d="M10 4.5v7M10 15v.01" />,
  dash: <path d="M6 10h8" />,
  dots: <path d="M4.5 10h.01M10 10h.01M15.5 10h.01" strokeWidth="2.6" />,
  right: <path d="m8 5 5 5-5 5" />,
  down: <path d="m5 8 5 5 5-5" />,
  pause: <path d="M7 5v10M13 5v10" strokeWidth="2.2" />,
  play: <path d="M6.5 4.5v11l9-5.5z" />,
  stop: <rect x="5" y="5" width="10" height="10" rx="1" />,
  sun: (
    <>
      <circle cx="10" cy="10" r="3.2" />
      <path d="M10 2.5v1.5M10 16v1.5M2.5 10H4M16 10h1.5M4.7 4.7l1 1M14.3 14.3l1 1M15.3 4.7l-1 1M5.7 14.3l-1 1" />
    </>
  ),
  plus: <path d="M10 4v12M4 10h12" />,
  save: <path d="M10 3v9M6.5 8.8 10 12.3l3.5-3.5M3.5 16.5h13" />,
  clock: (
    <>
      <circle cx="10" cy="10" r="7" />
      <path d="M10 6v4.2l2.8 1.8" />
    </>
  ),
  again: <path d="M16 10a6 6 0 1 1-1.8-4.3M16 3.5V7h-3.5" />,
  grid: (
    <>
      <rect x="3" y="4" width="14" height="12" rx="1.2" />
      <path d="M3 8.5h14M8.5 8.5V16" />
    </>
  ),
  out: <path d="M8 3.5H4.5A1 1 0 0 0 3.5 4.5v11a1 1 0 0 0 1 1H8M12.5 6.5 16 10l-3.5 3.5M16 10H8" />,
}

const MARKS: Readonly<Record<MarkName, ReactNode>> = {
  ok: <circle cx="6" cy="6" r="4.5" />,
  off: <circle cx="6" cy="6" r="3.8" fill="none" strokeWidth="1.5" />,
  paused: (
    <>
      <rect x="2.2" y="1.5" width="2.7" height="9" rx=".6" />
      <rect x="7.1" y="1.5" width="2.7" height="9" rx=".6" />
    </>
  ),
  bad: <path d="M6 .7 11.3 6 6 11.3.7 6z" />,
  wait: (
    <>
      <circle cx="6" cy="6" r="3.8" fill="none" strokeWidth="1.5" />
      <path d="M6 2.2a3.8 3.8 0 0 1 0 7.6z" />
    </>
  ),
  warn: <path d="M6 1 11.5 10.8H.5z" />,
  killed: <rect x="1.7" y="1.7" width="8.6" height="8.6" rx="1" />,
  none: <path d="M2.5 6h7" strokeWidth="1.5" />,
}

const LOGO: ReactNode = (
  <>
    <path d="M3 22V13a10 10 0 0 1 20 0v9" fill="none" stroke="currentColor" strokeWidth="2.4" strokeLinecap="round" />
    <path
      d="M9 22v-8.5a4 4 0 0 1 8 0V22"
      fill="none"
      stroke="currentColor"
      strokeWidth="2.4"
      strokeLinecap="round"
      opacity=".45"
    />
  </>
)
