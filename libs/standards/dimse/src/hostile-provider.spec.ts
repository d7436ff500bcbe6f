import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { part10 } from '../test-support/objects.js';
import { abortRq, associateAc, pdu } from '../test-support/raw-peer.js';
import { type AssociationAbortedError, storeFiles, type StoreFilesOptions } from './index.js';

let server: Server;
const sockets: Socket[] = [];
afterEach(() => {
  sockets.splice(0).forEach((socket) => socket.destroy());
  server.close();
});

/** A provider that answers the association request with `first` and whatever comes next with `then`. */
async function provider(first: Buffer | undefined, then?: (socket: Socket) => void): Promise<StoreFilesOptions> {
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => {
      if (first) socket.write(first);
      socket.once('data', () => then?.(socket));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    host: '127.0.0.1',
    port,
    calledAet: 'BAD',
    callingAet: 'CALLOSUM',
    files: [part10({ pixelBytes: 2_000_000 })],
    timeouts: { associateMs: 300, responseMs: 300 },
  };
}

const thrownBy = async (options: StoreFilesOptions): Promise<AssociationAbortedError> => {
  const thrown: unknown = await storeFiles(options).catch((error: unknown) => error);
  return thrown as AssociationAbortedError;
};

describe('a provider that', () => {
  it.each<[string, Buffer | undefined, ((socket: Socket) => void) | undefined, RegExp]>([
    ['never answers the association request', undefined, undefined, /no answer to the association request/],
    ['takes PDUs of 6 bytes', associateAc({ pduBytesMax: 6 }), undefined, /at most 6 bytes/],
    ['never responds', associateAc(), (socket) => socket.resume(), /no response in time/],
    ['stops reading', associateAc(), (socket) => socket.pause(), /no response in time|takes no more bytes/],
    ['aborts', associateAc(), (socket) => socket.write(abortRq), /the peer aborted/],
    ['closes the connection', associateAc(), (socket) => socket.end(), /closed the connection|broke/],
    [
      'answers with a PDU of 4 GB',
      associateAc(),
      (socket) => socket.write(Buffer.from([4, 0, 255, 255, 255, 255])),
      /declared/,
    ],
    ['answers with garbage', associateAc(), (socket) => socket.write(Buffer.from('HTTP/1.1 400')), /does not exist/],
    [
      'answers with a broken message',
      associateAc(),
      (socket) => socket.write(pdu(4, Buffer.from([0, 0, 0, 9, 1, 3]))),
      /cannot be read/,
    ],
  ])('%s ends the association with a clear error', async (_name, first, then, message) => {
    const error = await thrownBy(await provider(first, then));
    expect(error).toMatchObject({ code: 'dimse.association-aborted', kind: 'unavailable', outcomes: [] });
    expect(error.message).toMatch(message);
  });

  it('is silent is told from one that aborts', async () => {
    const silent = await thrownBy(await provider(associateAc(), (socket) => socket.resume()));
    expect(silent.abortCode).toBe('dimse.no-response');
    const full = await thrownBy(await provider(associateAc(), (socket) => socket.pause()));
    expect(['dimse.no-response', 'dimse.stalled']).toContain(full.abortCode);
    const aborting = await thrownBy(await provider(associateAc(), (socket) => socket.write(abortRq)));
    expect(aborting.abortCode).toBeUndefined();
  });

  it('accepts a context in another transfer syntax than the only one proposed gets nothing', async () => {
    const options = await provider(associateAc({ transferSyntax: '1.2.840.10008.1.2' }), (socket) =>
      socket.write(pdu(6, Buffer.alloc(4))),
    );
    const [outcome] = await storeFiles(options);
    expect(outcome).toMatchObject({ stored: false, error: { code: 'dimse.context-refused' } });
  });
});
