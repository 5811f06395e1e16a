// A line of text with its label.
import type { ComponentProps, ReactNode } from 'react'

export interface TextFieldProps extends ComponentProps<'input'> {
  readonly label: string
  /** Beside the label, for a field that may stay empty. */
  readonly hint?: string
  /** Behind what is typed, in the same frame. */
  readonly suffix?: ReactNode
  /** Behind the frame, unseen. */
  readonly children?: ReactNode
}

export function TextField({ label, hint, suffix, children, ...input }: TextFieldProps) {
  return (
    <label className="field">
      <span className="lab">
        {label}
        {hint !== undefined && <span className="faint optional"> {hint}</span>}
      </span>
      <span className="input">
        <input {...input} />
        {suffix}
      </span>
      {children}
    </label>
  )
}
