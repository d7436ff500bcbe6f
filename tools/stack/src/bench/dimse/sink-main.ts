import { type AddressInfo, createServer } from 'node:net';

import { SinkAssociation } from './sink-association.js';

/** What this process tells the one that forked it. */
export type SinkWord = { readonly port: number } | { readonly stored: number };

/** A process that takes objects and throws them away. It tells its port, and how many it took whenever it is asked. */
let stored = 0;
const tell = (word: SinkWord): void => void process.send?.(word);
const server = createServer({ noDelay: true }, (socket) => {
  const association = new SinkAssociation({
    reply: (pdu) => void socket.write(pdu),
    stored: () => stored++,
  });
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    try {
      association.take(chunk);
    } catch {
      socket.destroy();
    }
  });
});
server.listen({ port: 0, host: '127.0.0.1' }, () => tell({ port: (server.address() as AddressInfo).port }));
process.on('message', () => tell({ stored }));
process.on('disconnect', () => process.exit());
