import { type AddressInfo, createServer } from 'node:net';

import { datasetOf, type DicomJson, encodeDataset } from '@callosum/dicom';
import { createScpServer, type Match, QueryStatus, type ScpServer } from '@callosum/dimse';
import { afterEach, describe, expect, it } from 'vitest';

import { DicomPullSource } from './dicom-pull-source.js';
import type { PeerOptions } from './peer-options.js';

const explicit = '1.2.840.10008.1.2.1';
let server: ScpServer | undefined;
afterEach(async () => {
  await server?.close(0);
  server = undefined;
});

const match = (uid: string): Match => {
  const { bytes } = encodeDataset(datasetOf({ StudyInstanceUID: uid }), { transferSyntaxUid: explicit });
  return { identifier: Buffer.from(bytes) };
};

function sourceAt(port: number): DicomPullSource {
  const to = { host: '127.0.0.1', port, calledAet: 'PACS', callingAet: 'CALLOSUM' };
  const options = {
    aet: 'CALLOSUM',
    privateSopClassUids: [],
    responseMs: 5_000,
    searchMs: 5_000,
    onError: () => undefined,
  };
  return new DicomPullSource({ of: () => to } as unknown as PeerOptions, options);
}

/** A C-FIND at a source that gives these matches and this final status. */
async function found(matches: readonly Match[], status: number): Promise<{ uids: unknown[]; incomplete: string[] }> {
  const { port } = (server = await createScpServer({
    host: '127.0.0.1',
    port: 0,
    onAssociation: () => ({
      handler: {
        async *find() {
          for (const one of matches) yield await Promise.resolve(one);
          return { status };
        },
        ended: () => undefined,
      },
      policy: { accept: () => ({ transferSyntaxUid: explicit, storage: false }) },
    }),
    onError: () => undefined,
  }));
  const incomplete: string[] = [];
  const progress = { signal: new AbortController().signal, onIncomplete: (code: string) => void incomplete.push(code) };
  const uids: unknown[] = [];
  const asked: DicomJson = datasetOf({ QueryRetrieveLevel: 'STUDY', StudyInstanceUID: null });
  for await (const one of sourceAt(port).find({ aet: 'PACS', host: '127.0.0.1', port }, asked, progress))
    uids.push(one['0020000D']?.Value?.[0]);
  return { uids, incomplete };
}

describe('a C-FIND of a pull', () => {
  it('is whole only where it ends with success', async () => {
    expect(await found([match('1.2.3')], QueryStatus.Success)).toEqual({ uids: ['1.2.3'], incomplete: [] });
  });

  it.each([
    ['a warning', 0xb000],
    ['a cancel that was not ours', QueryStatus.Cancel],
  ])('says that there may be more where it ends with %s', async (_, status) => {
    const incomplete = ['dimse-ingest.matches-incomplete'];
    expect(await found([match('1.2.3')], status)).toEqual({ uids: ['1.2.3'], incomplete });
  });

  it('passes over a match that cannot be read, and says so', async () => {
    const garbage = { identifier: Buffer.from([0x20, 0, 0x0d, 0, 0x55, 0x49, 0xff, 0xff, 0x31, 0x2e]) };
    expect(await found([match('1.2.3'), garbage, match('1.2.4')], QueryStatus.Success)).toEqual({
      uids: ['1.2.3', '1.2.4'],
      incomplete: ['dimse-ingest.match-unreadable'],
    });
  });
});

describe('a C-MOVE of a pull', () => {
  it('is not to blame where no association came to be: the source is away', async () => {
    const hangsUp = createServer((socket) => socket.once('data', () => socket.destroy()));
    await new Promise<void>((resolve) => hangsUp.listen(0, '127.0.0.1', resolve));
    const { port } = hangsUp.address() as AddressInfo;
    const progress = { signal: new AbortController().signal, onProgress: () => undefined };
    const asked = datasetOf({ QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '1.2.3' });
    const moved = sourceAt(port).move({ aet: 'PACS', host: '127.0.0.1', port }, asked, progress);
    await expect(moved).rejects.toMatchObject({ code: 'dimse.peer-unreachable' });
    hangsUp.close();
  });
});
