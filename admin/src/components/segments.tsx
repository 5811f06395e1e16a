'use client'
// Two to five choices, all seen at once.

export interface Choice<T extends string> {
  readonly value: T
  readonly label: string
}

export function Segments<T extends string>({
  label,
  choices,
  value,
  onChange,
  className = '',
}: {
  label: string
  choices: readonly Choice<T>[]
  value: T
  onChange: (value: T) => void
  className?: string
}) {
  return (
    <fieldset className={`seg ${className}`} aria-label={label}>
      {choices.map(choice => (
        <button
          type="button"
          aria-pressed={choice.value === value}
          key={choice.value}
          onClick={() => onChange(choice.value)}
        >
          {choice.label}
        </button>
      ))}
    </fieldset>
  )
}
