import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';

import { TestAuthority } from '@callosum/testing';
import { afterEach, expect, it } from 'vitest';

import { type Provider, startProvider, until } from '../../test-support/providers.js';
import { associateRq } from '../../test-support/raw-peer.js';
import { echo, ScuAssociation, type ScuOptions, verificationSopClassUid } from '../index.js';

let provider: Provider;
const sockets: Socket[] = [];
afterEach(async () => {
  sockets.splice(0).forEach((socket) => socket.destroy());
  await provider.server.close(0);
});

const to = (): ScuOptions => ({ host: '127.0.0.1', port: provider.port, calledAet: 'CALLOSUM', callingAet: 'TEST' });

const limits = { newcomersMax: 32, newcomersPerAddressMax: 16 };

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
  provider = await startProvider({ limits });
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
  provider = await startProvider({ server: createTlsServer(), limits });
  const opened = await silent(40, () => '127.0.0.1');
  await until(() => opened.slice(0, 24).every((socket) => socket.closed));
  expect(provider.server.connectionCount).toBe(16);
  expect(opened.slice(24).some((socket) => socket.closed)).toBe(false);
});

it('silent connections of many addresses give way to who comes, the oldest first', async () => {
  provider = await startProvider({ limits });
  const opened = await silent(40, (index) => `127.0.0.${index + 10}`);
  await until(() => provider.server.connectionCount === 32);
  await until(() => opened[7]?.closed === true);
  expect(opened.map((socket) => socket.closed)).toEqual(opened.map((_, index) => index < 8));
  expect(await echo(to())).toEqual({ status: 0 });
});

it('60 peers that come back at once over TLS from one address, as behind a load balancer, all get in', async () => {
  const authority = await TestAuthority.create();
  const { certFile, keyFile } = await authority.issue('callosum', 'IP:127.0.0.1');
  const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
  await authority.remove();
  provider = await startProvider({ server: createTlsServer({ cert, key }) });
  // All of them are there before the first handshake begins.
  const opened = Array.from({ length: 60 }, () => connect(provider.port, '127.0.0.1'));
  sockets.push(...opened);
  await Promise.all(opened.map((socket) => once(socket, 'connect')));
  await until(() => provider.server.connectionCount === 60);
  const answers = opened.map(async (socket) => {
    const secured = connectTls({ socket, rejectUnauthorized: false });
    secured.on('error', () => undefined);
    await once(secured, 'secureConnect');
    secured.write(associateRq());
    const [bytes] = (await once(secured, 'data')) as [Buffer];
    return bytes.readUInt8(0);
  });
  // A-ASSOCIATE-AC.
  expect(await Promise.all(answers)).toEqual(Array(60).fill(2));
  expect(provider.bad).toEqual([]);
});
