import { afterEach, describe, expect, it } from 'vitest';

import { ctImageStorage } from '../test-support/objects.js';
import { type Provider, startProvider, until } from '../test-support/providers.js';
import { acceptedContexts, associateRq, RawPeer, userItem } from '../test-support/raw-peer.js';

let provider: Provider;
const peers: RawPeer[] = [];
afterEach(async () => {
  peers.splice(0).forEach((peer) => peer.socket.destroy());
  await provider.server.close(0);
});

async function connected(): Promise<RawPeer> {
  const peer = await RawPeer.connect(provider.port);
  peers.push(peer);
  return peer;
}

describe('negotiation', () => {
  it('takes presentation contexts in any order of their ids', async () => {
    provider = await startProvider();
    const context = (id: number, uid: string): { id: number; abstractSyntax: string; transferSyntaxes: string[] } => ({
      id,
      abstractSyntax: ctImageStorage,
      transferSyntaxes: [uid],
    });
    const peer = (await connected()).send(
      associateRq({
        contexts: [
          context(5, '1.2.840.10008.1.2'),
          context(1, '1.2.840.10008.1.2.4.70'),
          context(3, '1.2.840.10008.1.2.1'),
        ],
      }),
    );
    expect(acceptedContexts(await peer.next(2))).toEqual(
      new Map([
        [1, { result: 0, transferSyntax: '1.2.840.10008.1.2.4.70' }],
        [3, { result: 0, transferSyntax: '1.2.840.10008.1.2.1' }],
        [5, { result: 0, transferSyntax: '1.2.840.10008.1.2' }],
      ]),
    );
  });

  it('prefers explicit VR among uncompressed syntaxes, and keeps a compressed one that stands first', async () => {
    provider = await startProvider();
    const [implicit, explicit, bigEndian, jpeg] = [
      '1.2.840.10008.1.2',
      '1.2.840.10008.1.2.1',
      '1.2.840.10008.1.2.2',
      '1.2.840.10008.1.2.4.50',
    ] as const;
    const peer = (await connected()).send(
      associateRq({
        contexts: [
          { id: 1, abstractSyntax: ctImageStorage, transferSyntaxes: [bigEndian, implicit, explicit] },
          { id: 3, abstractSyntax: ctImageStorage, transferSyntaxes: [jpeg, explicit] },
          { id: 5, abstractSyntax: ctImageStorage, transferSyntaxes: [implicit, jpeg] },
          { id: 7, abstractSyntax: ctImageStorage, transferSyntaxes: ['1.2.840.113619.5.2'] },
          { id: 9, abstractSyntax: '1.2.840.10008.5.1.4.1.2.2.1', transferSyntaxes: [implicit] },
        ],
      }),
    );
    const contexts = acceptedContexts(await peer.next(2));
    expect([1, 3, 5].map((id) => contexts.get(id)?.transferSyntax)).toEqual([explicit, jpeg, implicit]);
    expect([7, 9].map((id) => contexts.get(id)?.result)).toEqual([4, 3]);
  });

  it.each([0, 16_384, 4_000_000])(
    'announces its own maximum PDU length to a peer whose own is %i, and no asynchronous operations unless its policy has them',
    async (pduBytesMax) => {
      provider = await startProvider();
      const peer = (await connected()).send(associateRq({ pduBytesMax, asynchronous: 8 }));
      const accept = await peer.next(2);
      expect(userItem(accept, 0x51)?.readUInt32BE(0)).toBe(256 * 1024);
      expect(userItem(accept, 0x53)).toBeUndefined();
    },
  );

  it.each([
    ['another protocol version', { version: 2 }, [1, 2, 2]],
    ['a PDU length nobody can use', { pduBytesMax: 8 }, [1, 1, 1]],
    ['another application context', { applicationContext: '1.2.3' }, [1, 1, 2]],
  ])('%s is rejected', async (_name, request, numbers) => {
    provider = await startProvider();
    const peer = (await connected()).send(associateRq(request));
    expect([...(await peer.next(3)).subarray(7)]).toEqual(numbers);
    expect(provider.associations).toEqual([]);
  });
});

describe('an association request', () => {
  const context = (id: number) => ({ id, abstractSyntax: ctImageStorage, transferSyntaxes: ['1.2.840.10008.1.2'] });
  it.each([
    ['an even context id', [context(2)]],
    ['a context id twice', [context(1), context(1)]],
    ['129 contexts', Array.from({ length: 129 }, (_, index) => context((index * 2 + 1) % 256))],
  ])('with %s is aborted', async (_name, contexts) => {
    provider = await startProvider();
    const peer = (await connected()).send(associateRq({ contexts }));
    expect((await peer.next(7)).subarray(8)).toEqual(Buffer.from([2, 6]));
    await until(() => provider.bad.length === 1);
    expect(provider.bad).toEqual(['dimse.malformed-associate']);
    expect(provider.associations).toEqual([]);
  });
});
