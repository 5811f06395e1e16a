'use client'
// The filter of a list; what is typed lives in the page's address.
import { Icon } from './icon'

export function Filter({
  value,
  onChange,
  placeholder,
}: {
  value: string
  onChange: (value: string) => void
  placeholder: string
}) {
  return (
    <div className="input">
      <Icon name="search" small />
      <input
        data-filter
        aria-label="Filter"
        placeholder={placeholder}
        value={value}
        onChange={event => onChange(event.target.value)}
        onKeyDown={event => event.key === 'Escape' && event.currentTarget.blur()}
      />
      <span className="kbd hide-phone">/</span>
    </div>
  )
}
