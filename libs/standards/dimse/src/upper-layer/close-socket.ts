import type { Socket } from 'node:net';

/** Time for what is written already: a peer that reads nothing would keep the socket, and what waits for it, for ever. */
const unsentMsMax = 5_000;

/**
 * Closes a connection after its last PDU. With `lingerMs`, our half only: what the peer still sends is thrown away until
 * it closes, or that time is over; a connection closed on unread bytes is reset, and takes our last PDU with it.
 */
export function closeSocket(socket: Socket, lingerMs: number, unsentMs = unsentMsMax): void {
  if (socket.destroyed) return;
  if (lingerMs === 0) socket.destroySoon();
  else socket.end();
  const timer = setTimeout(() => socket.destroy(), lingerMs || unsentMs);
  socket.once('close', () => clearTimeout(timer));
}
