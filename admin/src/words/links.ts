/** A tunnel's page. */
export function tunnelHref(name: string): string {
  return `/tunnel?name=${encodeURIComponent(name)}`
}
