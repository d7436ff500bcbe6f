import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { closeSocket } from './close-socket.js';

describe('a connection that is closed', () => {
  const ends: (() => void)[] = [];
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });

  /** A connection whose other side reads nothing until it is told to. */
  const connected = async (): Promise<{ socket: Socket; other: Socket }> => {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    ends.push(() => void server.close());
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [other] = await accepted;
    ends.push(() => void other.destroy());
    socket.on('error', () => undefined);
    return { socket, other };
  };

  it('is gone after a while, also where the peer takes nothing of what was written', async () => {
    const { socket } = await connected();
    socket.write(Buffer.alloc(64 * 1024 * 1024));
    closeSocket(socket, 0, 50);
    await once(socket, 'close');
    expect(socket.bytesWritten).toBeGreaterThan(0);
    expect(socket.destroyed).toBe(true);
  });

  it('gives a peer that reads all that was written', async () => {
    const { socket, other } = await connected();
    socket.write(Buffer.alloc(4 * 1024 * 1024));
    closeSocket(socket, 0);
    let read = 0;
    other.on('data', (chunk) => (read += chunk.length));
    other.resume();
    await once(other, 'end');
    expect(read).toBe(4 * 1024 * 1024);
  });
});
