'use client'
// Dark or light: the system's choice until the owner makes another one, which this browser keeps.
import { Icon } from './icon'
import { THEME_KEY } from './theme-early'

export function ThemeButton({ className = '' }: { className?: string }) {
  return (
    <button
      type="button"
      className={`btn quiet square ${className}`}
      aria-label="Dark or light"
      title="Dark or light"
      onClick={toggleTheme}
    >
      <Icon name="sun" />
    </button>
  )
}

/** To the other one of what is shown now. */
export function toggleTheme(): void {
  const { dataset } = document.documentElement
  const isDark = dataset.theme ? dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
  dataset.theme = isDark ? 'light' : 'dark'
  try {
    localStorage.setItem(THEME_KEY, dataset.theme)
  } catch {
    // A browser that keeps nothing still changes the scheme of this page.
  }
}
