import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { associateAc, Command, Data, pData, pdv, responseSet } from '../../test-support/raw-peer.js';
import { identifier, proposed, studyRootFind } from '../../test-support/services.js';
import { ScuAssociation } from '../index.js';

let server: Server;
const sockets: Socket[] = [];
const timers: NodeJS.Timeout[] = [];
afterEach(() => {
  timers.splice(0).forEach((timer) => clearInterval(timer));
  sockets.splice(0).forEach((socket) => socket.destroy());
  server.close();
});

/** An association with an archive that has matches without end and does not know C-CANCEL. */
async function endless(): Promise<ScuAssociation> {
  const match = Buffer.concat([
    pData(pdv(1, Command.last, responseSet(0x8020, 1, 0xff00, true))),
    pData(pdv(1, Data.last, identifier('one'))),
  ]);
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(associateAc());
      socket.once('data', () => timers.push(setInterval(() => socket.write(match), 10)));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const to = { host: '127.0.0.1', port, calledAet: 'ENDLESS', callingAet: 'TEST', timeouts: { responseMs: 150 } };
  return ScuAssociation.open(to, [proposed(studyRootFind)]);
}

const aborted = { how: 'aborted', by: 'us', code: 'dimse.no-response' };

describe('a C-FIND whose peer does not end it after a C-CANCEL', () => {
  it('ends with the association when the iteration ends', async () => {
    const association = await endless();
    for await (const match of association.find(1, identifier('all'))) {
      expect(match.identifier.toString()).toBe('one ');
      break;
    }
    expect(await association.ended).toEqual(aborted);
  });

  it('fails when a signal cancels it', async () => {
    const association = await endless();
    const controller = new AbortController();
    const matches = association.find(1, identifier('all'), { signal: controller.signal });
    expect((await matches.next()).done).toBe(false);
    controller.abort();
    await expect(matches.next()).rejects.toMatchObject({ code: 'dimse.association-aborted' });
    expect(await association.ended).toEqual(aborted);
  });
});
