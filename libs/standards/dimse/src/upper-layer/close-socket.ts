import type { Socket } from 'node:net';

/**
 * Closes a connection after its last PDU. With `lingerMs`, our half only: what the peer still sends is thrown away until
 * it closes, or that time is over; a connection closed on unread bytes is reset, and takes our last PDU with it.
 */
export function closeSocket(socket: Socket, lingerMs: number): void {
  if (socket.destroyed) return;
  if (lingerMs === 0) return void socket.destroySoon();
  socket.end();
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(timer));
}
