// Icons and marks, by name.

export type IconName =
  | 'home'
  | 'pin'
  | 'globe'
  | 'box'
  | 'lines'
  | 'chart'
  | 'way'
  | 'key'
  | 'dials'
  | 'search'
  | 'copy'
  | 'tick'
  | 'cross'
  | 'bang'
  | 'dash'
  | 'dots'
  | 'right'
  | 'down'
  | 'pause'
  | 'play'
  | 'stop'
  | 'sun'
  | 'plus'
  | 'save'
  | 'clock'
  | 'again'
  | 'grid'
  | 'out'

/** Shapes that tell states apart without colour. */
export type MarkName = 'ok' | 'off' | 'paused' | 'bad' | 'wait' | 'warn' | 'killed' | 'none'
export type Tone = 'ok' | 'warn' | 'bad' | ''

/** Beside a word, never alone. */
export function Icon({ name, small = false, className = '' }: { name: IconName; small?: boolean; className?: string }) {
  return (
    <svg className={`icon ${small ? 'icon-sm' : ''} ${className}`} aria-hidden="true">
      <use href={`#i-${name}`} />
    </svg>
  )
}

/** The shape of a state; the word stands beside it. */
export function Mark({ name, tone = '' }: { name: MarkName; tone?: Tone }) {
  return (
    <svg className={`mark ${tone}`} aria-hidden="true">
      <use href={`#m-${name}`} />
    </svg>
  )
}

/** Drawing and name, beside each other. */
export function Brand({ domain }: { domain: string }) {
  return (
    <>
      <svg aria-hidden="true">
        <use href="#logo" />
      </svg>
      <span>
        <b>pbt</b>
        <span>{domain}</span>
      </span>
    </>
  )
}
