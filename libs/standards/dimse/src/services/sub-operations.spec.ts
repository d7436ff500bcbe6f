import { afterEach, describe, expect, it } from 'vitest';

import { ctImageStorage, dataset, explicitVrLittleEndian } from '../../test-support/objects.js';
import { openPolicy, type Provider, startProvider, until } from '../../test-support/providers.js';
import {
  answeredMessageId,
  associateRq,
  cancelCommand,
  Command,
  commandFieldOf,
  commandSet,
  Data,
  pData,
  pdv,
  RawPeer,
  releaseRq,
  responseSet,
  statusOf,
  withDataset,
} from '../../test-support/raw-peer.js';
import { getHandler, identifier, studyRootFind, studyRootGet, studyRootMove } from '../../test-support/services.js';
import type { RequestHandler } from '../index.js';

let provider: Provider;
const peers: RawPeer[] = [];
afterEach(async () => {
  peers.splice(0).forEach((peer) => peer.socket.destroy());
  await provider.server.close(0);
});

const get = [
  pData(pdv(3, Command.last, commandSet(0x0010, 1, [withDataset]))),
  pData(pdv(3, Data.last, identifier('x'))),
];
const echo = (messageId: number): Buffer => pData(pdv(3, Command.last, commandSet(0x0030, messageId)));
const objects = ['1.2.3.1', '1.2.3.2'].map((sopInstanceUid) => ({
  sopInstanceUid,
  bytes: dataset({ sopInstanceUid }),
}));

/** A workstation without a window that takes CT images; `settled` is told when its C-GET is over for the provider. */
async function workstation(responseTimeoutMs: number, settled: () => void = () => undefined): Promise<RawPeer> {
  const handler: RequestHandler = {
    async *get(request, sender) {
      try {
        return yield* getHandler(objects)(request, sender);
      } finally {
        settled();
      }
    },
  };
  const policy = openPolicy([ctImageStorage]);
  provider = await startProvider({ limits: { responseTimeoutMs, artimMs: 500 } }, undefined, { handler, policy });
  const peer = await RawPeer.connect(provider.port);
  peers.push(peer);
  const contexts = [
    { id: 1, abstractSyntax: ctImageStorage, transferSyntaxes: [explicitVrLittleEndian] },
    { id: 3, abstractSyntax: studyRootGet, transferSyntaxes: [explicitVrLittleEndian] },
  ];
  peer.send(associateRq({ contexts, providerOf: [ctImageStorage] }));
  await peer.next(2);
  return peer;
}

/** The next message of a command field. */
async function next(peer: RawPeer, commandField: number): Promise<Buffer> {
  for (;;) {
    const pDataTf = await peer.next(4);
    if (commandFieldOf(pDataTf) === commandField) return pDataTf;
  }
}

/** Move Destination (0000,0600). */
const destination = Buffer.concat([Buffer.from([0, 0, 0, 6, 4, 0, 0, 0]), Buffer.from('DEST')]);
const stopped = ({ signal }: { signal: AbortSignal }): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve()));

const noResponse = [{ how: 'aborted', by: 'us', code: 'dimse.no-response' }];

describe('a workstation in the middle of its C-GET that', () => {
  it.each<[string, Buffer[]]>([
    ['falls silent', []],
    ['only cancels', [pData(pdv(3, Command.last, cancelCommand(1)))]],
    ['asks for something else', [echo(2)]],
    ['releases', [releaseRq]],
  ])('%s, and never answers a C-STORE, is aborted, and the C-GET is over', async (_what, then) => {
    let isSettled = false;
    const peer = await workstation(150, () => (isSettled = true));
    peer.send(...get);
    await next(peer, 0x0001);
    peer.send(...then);
    await peer.next(7);
    await until(() => provider.ends.length === 1);
    expect(provider.ends).toEqual(noResponse);
    expect(isSettled).toBe(true);
  });

  it('asks for something else again and again is no less late', async () => {
    const peer = await workstation(150);
    peer.send(...get);
    await next(peer, 0x0001);
    let messageId = 1;
    const timer = setInterval(() => peer.send(echo(++messageId)), 20);
    await peer.next(7).finally(() => clearInterval(timer));
    await until(() => provider.ends.length === 1);
    expect(provider.ends).toEqual(noResponse);
  });

  it('asks for something else is refused that with 0213, and gets its objects', async () => {
    const peer = await workstation(2_000);
    // Before the first sub-operation, and in the middle of one.
    peer.send(...get, echo(2));
    for (const [index, { sopInstanceUid }] of objects.entries()) {
      const store = await next(peer, 0x0001);
      expect(store.includes(sopInstanceUid)).toBe(true);
      if (index === 1) peer.send(echo(3));
      peer.send(pData(pdv(1, Command.last, responseSet(0x8001, index + 1, 0))));
    }
    const answers = new Map<number, number>();
    await until(() => {
      for (const pDataTf of peer.received.splice(0)) {
        const field = commandFieldOf(pDataTf);
        if (field === 0x8030 || field === 0x8010) answers.set(answeredMessageId(pDataTf), statusOf(pDataTf));
      }
      return answers.get(1) === 0 && answers.has(3);
    });
    expect(answers.get(3)).toBe(0x0213);
    // Afterwards it is served as ever.
    peer.send(echo(4));
    expect(statusOf(await next(peer, 0x8030))).toBe(0);
  });
});

describe('a requestor that releases before the response', () => {
  const nothing = { remaining: 0, completed: 0, failed: 0, warning: 0 };

  it('of its C-GET is told that some objects did not come', async () => {
    const peer = await workstation(2_000);
    peer.send(...get);
    await next(peer, 0x0001);
    peer.send(Buffer.concat([pData(pdv(1, Command.last, responseSet(0x8001, 1, 0))), releaseRq]));
    await peer.next(6);
    const final = peer.received.filter((pDataTf) => commandFieldOf(pDataTf) === 0x8010).map(statusOf);
    expect(final.at(-1)).toBe(0xfe00);
    expect(final.slice(0, -1).every((status) => status === 0xff00)).toBe(true);
  });

  it('of its C-MOVE or C-FIND is not told that all is done where nothing was found yet', async () => {
    const handler: RequestHandler = {
      async *move(request) {
        await stopped(request);
        return { counts: nothing };
      },
      async *find(request) {
        await stopped(request);
      },
    };
    provider = await startProvider({}, undefined, { handler, policy: openPolicy([]) });
    const services = [
      [studyRootMove, commandSet(0x0021, 1, [destination, withDataset]), 0x8021],
      [studyRootFind, commandSet(0x0020, 1, [withDataset]), 0x8020],
    ] as const;
    for (const [abstractSyntax, command, response] of services) {
      const peer = await RawPeer.connect(provider.port);
      peers.push(peer);
      peer.send(associateRq({ contexts: [{ id: 3, abstractSyntax, transferSyntaxes: [explicitVrLittleEndian] }] }));
      await peer.next(2);
      peer.send(pData(pdv(3, Command.last, command)), pData(pdv(3, Data.last, identifier('x'))), releaseRq);
      await peer.next(6);
      const final = peer.received.find((pDataTf) => commandFieldOf(pDataTf) === response);
      expect(final && statusOf(final)).toBe(0xfe00);
    }
  });
});

describe('a C-CANCEL', () => {
  it.each([
    ['after the last object is too late', { remaining: 0, completed: 2, failed: 0, warning: 0 }, 0x0000],
    ['after the last of which some failed is too late', { remaining: 0, completed: 1, failed: 1, warning: 0 }, 0xb000],
    ['after the last of which all failed is too late', { remaining: 0, completed: 0, failed: 2, warning: 0 }, 0xa702],
    ['with objects left ends it', { remaining: 1, completed: 1, failed: 0, warning: 0 }, 0xfe00],
    ['before they were counted ends it', { remaining: 0, completed: 0, failed: 0, warning: 0 }, 0xfe00],
  ])('%s', async (_when, counts, status) => {
    const handler: RequestHandler = {
      async *move(request) {
        // As when the destination answers the end of its association late.
        yield counts;
        await stopped(request);
        return { counts };
      },
    };
    provider = await startProvider({}, undefined, { handler, policy: openPolicy([]) });
    const peer = await RawPeer.connect(provider.port);
    peers.push(peer);
    const context = { id: 3, abstractSyntax: studyRootMove, transferSyntaxes: [explicitVrLittleEndian] };
    peer.send(associateRq({ contexts: [context] }));
    await peer.next(2);
    const command = commandSet(0x0021, 1, [destination, withDataset]);
    peer.send(pData(pdv(3, Command.last, command)), pData(pdv(3, Data.last, identifier('x'))));
    expect(statusOf(await next(peer, 0x8021))).toBe(0xff00);
    peer.send(pData(pdv(3, Command.last, cancelCommand(1))));
    expect(statusOf(await next(peer, 0x8021))).toBe(status);
  });
});
