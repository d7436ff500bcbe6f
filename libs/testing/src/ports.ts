import { createServer, type Server } from 'node:net';

/**
 * Below what systems give out by themselves (Linux from 32768, IANA from 49152): no outgoing connection and no server
 * on port 0 takes one of these between its choice and its use, also while a killed server is down.
 */
const range = { from: 22_000, to: 30_000 };
/** A port is kept by listening this far below it: the kernel lets go of it when the process ends, however it ends. */
const keeperBelow = 10_000;

/**
 * A TCP port of 127.0.0.1 that is free, and that no other test on this machine is given while this process lives.
 * Test files run beside each other, and some stop a server and start it on the same port again.
 */
export async function freePort(): Promise<number> {
  const size = range.to - range.from;
  const first = Math.floor(Math.random() * size);
  for (let n = 0; n < size; n++) {
    const port = range.from + ((first + n) % size);
    const keeper = await listen(port - keeperBelow);
    if (!keeper) continue;
    keeper.unref();
    const probe = await listen(port);
    if (!probe) continue;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }
  throw new Error(`no free TCP port between ${range.from} and ${range.to}`);
}

/** Undefined when somebody else listens there. */
function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server));
  });
}
