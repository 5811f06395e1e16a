'use client'
// The page's type and colours for what is drawn on a canvas, which knows no styles.

let font: string | undefined

/** The type of the page, read once: a canvas knows no font of the browser's by a general name. */
export function fontOf(): string {
  font ??= `12px ${getComputedStyle(document.body).fontFamily}`
  return font
}

/** By scheme and name: each time it is asked the browser works out the style of the whole page. */
const COLOURS = new Map<string, string>()
const SCHEMES = ['(prefers-color-scheme: dark)', '(forced-colors: active)']

/** A token of the design as the present scheme has it: a canvas cannot read light-dark(). */
export function colour(name: string): string {
  const scheme = [document.documentElement.dataset.theme, ...SCHEMES.map(query => matchMedia(query).matches)]
  const key = [...scheme, name].join(' ')
  const known = COLOURS.get(key) ?? resolved(name)
  COLOURS.set(key, known)
  return known
}

function resolved(name: string): string {
  // Where colours are the system's, a ground would be as dark as the line.
  if (name === 'accent-soft' && matchMedia('(forced-colors: active)').matches) return 'transparent'
  const probe = document.getElementById('colour-probe') ?? document.body.appendChild(document.createElement('i'))
  probe.id = 'colour-probe'
  probe.hidden = true
  probe.style.color = `var(--color-${name})`
  return getComputedStyle(probe).color
}
