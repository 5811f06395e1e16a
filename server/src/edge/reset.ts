// Ends a connection so that its peer cannot take it for a clean end.
import type { Socket } from 'node:net'

/** With RST where the system has it; on TLS the missing close_notify tells (RFC 8446 section 6.1). */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return
  if ('encrypted' in socket) socket.destroy()
  else socket.resetAndDestroy()
}
