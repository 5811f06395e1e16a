// A rotation of the token ends this browser's session, and the page that shows the new one must not go away before it is logged in again.

let isHeld = false

/** While true, a session that ended leads to no login page. */
export function setStaying(isStaying: boolean): void {
  isHeld = isStaying
}

export function isStaying(): boolean {
  return isHeld
}
