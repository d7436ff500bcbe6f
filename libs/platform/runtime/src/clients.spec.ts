import { createServer, type ServerHttp2Session } from 'node:http2';
import { type AddressInfo } from 'node:net';

import { expect, it } from 'vitest';

import { createPeerClients } from './clients.js';

it('takes whole messages of a stream before its sender has to wait (RFC 9113 5.2)', async () => {
  const server = createServer();
  const window = new Promise<[initialWindowSize: number | undefined, session: ServerHttp2Session]>((resolve) => {
    server.once('session', (session) => {
      session.once('remoteSettings', ({ initialWindowSize }) => resolve([initialWindowSize, session]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const address = `127.0.0.1:${port}`;
  const clients = createPeerClients('dicomweb', { studyIndex: address, identity: address });
  try {
    const asked = clients.studyIndex.getStudy({ studyInstanceUid: '1.2' }).catch(() => undefined);
    const [size, session] = await window;
    expect(size).toBeGreaterThanOrEqual(2 * 256 * 1024);
    session.destroy();
    clients.close();
    await asked;
  } finally {
    clients.close();
    server.close();
  }
});
