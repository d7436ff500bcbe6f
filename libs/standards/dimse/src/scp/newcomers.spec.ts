import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

import { afterEach, expect, it } from 'vitest';

import { type Provider, startProvider, until } from '../../test-support/providers.js';
import { echo, ScuAssociation, type ScuOptions, verificationSopClassUid } from '../index.js';

let provider: Provider;
const sockets: Socket[] = [];
afterEach(async () => {
  sockets.splice(0).forEach((socket) => socket.destroy());
  await provider.server.close(0);
});

const to = (): ScuOptions => ({ host: '127.0.0.1', port: provider.port, calledAet: 'CALLOSUM', callingAet: 'TEST' });

/** Connections that never say a word, one after the other. */
async function silent(count: number, localAddress: (index: number) => string): Promise<Socket[]> {
  const opened: Socket[] = [];
  for (let index = 0; index < count; index++) {
    const socket = connect({ port: provider.port, host: '127.0.0.1', localAddress: localAddress(index) });
    socket.on('error', () => undefined).resume();
    opened.push(socket);
    sockets.push(socket);
    await once(socket, 'connect');
  }
  return opened;
}

it('200 silent connections of one address keep nobody out, also not of that address', async () => {
  provider = await startProvider();
  const implicitVrLittleEndian = '1.2.840.10008.1.2';
  const association = await ScuAssociation.open(to(), [
    { abstractSyntaxUid: verificationSopClassUid, transferSyntaxUids: [implicitVrLittleEndian] },
  ]);
  const opened = await silent(200, () => '127.0.0.1');
  expect(await echo(to())).toEqual({ status: 0 });
  // 16 of them, and the association.
  await until(() => provider.server.connectionCount <= 17);
  await until(() => opened.slice(0, 150).every((socket) => socket.closed));
  expect(new Set(provider.bad)).toEqual(new Set(['dimse.no-association']));
  expect((await association.echo(1)).status).toBe(0);
  await association.release();
});

it('connections that never begin their TLS handshake are as few', async () => {
  provider = await startProvider({ server: createTlsServer() });
  const opened = await silent(40, () => '127.0.0.1');
  await until(() => opened.slice(0, 24).every((socket) => socket.closed));
  expect(provider.server.connectionCount).toBe(16);
  expect(opened.slice(24).some((socket) => socket.closed)).toBe(false);
});

it('silent connections of many addresses give way to who comes, the oldest first', async () => {
  provider = await startProvider();
  const opened = await silent(40, (index) => `127.0.0.${index + 10}`);
  await until(() => provider.server.connectionCount === 32);
  await until(() => opened[7]?.closed === true);
  expect(opened.map((socket) => socket.closed)).toEqual(opened.map((_, index) => index < 8));
  expect(await echo(to())).toEqual({ status: 0 });
});
