// What is typed into the filter of a list.

/** Whether each of the words is part of one of the fields, whatever its capitals; no words: yes. */
export function hasWords(fields: readonly string[], words: string): boolean {
  const text = fields.join(' ').toLowerCase()
  return words
    .toLowerCase()
    .split(/\s+/)
    .every(word => text.includes(word))
}
