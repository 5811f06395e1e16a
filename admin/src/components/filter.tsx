'use client'
// The filter of a list; what is typed lives in the page's address.
import { useEffect, useRef, useState } from 'react'
import { Icon } from './icon'

export function Filter({
  value,
  onChange,
  placeholder,
  className = '',
}: {
  value: string
  onChange: (value: string) => void
  placeholder: string
  className?: string
}) {
  // The address follows a little later: letters that are typed meanwhile must not go.
  const [text, setText] = useState(value)
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => {
    if (document.activeElement !== field.current) setText(value)
  }, [value])
  return (
    <div className={`input ${className}`}>
      <Icon name="search" small />
      <input
        data-filter
        aria-label="Filter"
        placeholder={placeholder}
        value={text}
        ref={field}
        onChange={event => {
          setText(event.target.value)
          onChange(event.target.value)
        }}
        onKeyDown={event => event.key === 'Escape' && event.currentTarget.blur()}
      />
      <span className="kbd hide-phone">/</span>
    </div>
  )
}
