import { type AddressInfo, createServer, type Server } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { requestorKey, requestorOf } from '../domain/commitment-requestor.js';
import { DimseRequestors } from './dimse-requestors.js';
import { EntityList } from './entity-list.js';
import { PeerOptions } from './peer-options.js';

const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.close()));

/** A node that notes who calls, and says nothing. */
async function node(host: string, called: string[]): Promise<number> {
  const server = createServer((socket) => {
    called.push(host);
    socket.destroy();
  }).listen(0, host);
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  return (server.address() as AddressInfo).port;
}

describe('the requestor of a commitment', () => {
  it('is a title, and a host where several have the title', () => {
    const [one, other] = [{ aet: 'CT 1' }, { aet: 'CT 1', host: '10.0.0.0/8' }];
    expect([one, other].map((requestor) => requestorOf(requestorKey(requestor)))).toEqual([one, other]);
  });

  it('is called where it asked from, not where another node of its title is', async () => {
    const called: string[] = [];
    const entities = new EntityList([
      { aet: 'CT', host: '127.0.0.1', port: await node('127.0.0.1', called) },
      { aet: 'CT', host: '127.0.0.2', port: await node('127.0.0.2', called) },
      { aet: 'CT', host: '127.0.0.3' },
    ]);
    const requestors = new DimseRequestors(entities, new PeerOptions('CALLOSUM'));
    const open = (host?: string) => requestors.open(requestorKey({ aet: 'CT', ...(host ? { host } : {}) }));
    await expect(open('127.0.0.2')).rejects.toThrow();
    await expect(open()).rejects.toThrow();
    expect(called).toEqual(['127.0.0.2', '127.0.0.1']);
    await expect(open('127.0.0.3')).rejects.toMatchObject({ code: 'dimse-ingest.not-callable' });
  });
});
