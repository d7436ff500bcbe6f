import { randomBytes } from 'node:crypto';

import { parseFile } from '@callosum/dicom';
import { type SubOperationCounts, type SubOperationSender } from '@callosum/dimse';
import { S3ObjectStore } from '@callosum/object-store';
import { orSkip, startS3, type TestS3 } from '@callosum/testing';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';

import { RetrieveInstances } from './application/retrieve-instances.js';
import { SendInstance } from './application/send-instance.js';
import { SharedTurns } from './application/shared-turns.js';
import type { RetrieveIdentifier } from './domain/query-model.js';
import type { SubOperations } from './domain/sub-operations.js';
import { at, explicitLe, image, MemoryDestination, MemoryIndex } from './test-support/query.js';

const s3 = await orSkip(startS3);
afterAll(() => s3.server?.stop());

/** Of an answer that nobody takes; the peers below take longer. */
const requestTimeoutMs = 1_000;
const uids = ['1.1', '1.2', '1.3'];
const study: RetrieveIdentifier = {
  level: 'STUDY',
  studyInstanceUids: ['1.2'],
  seriesInstanceUids: [],
  sopInstanceUids: [],
};

const unheard: unknown[] = [];
const hear = (error: unknown): void => void unheard.push(error);
process.on('uncaughtException', hear);
afterAll(() => process.off('uncaughtException', hear));

describe.skipIf(s3.missing)(`retrieves of what is kept on S3${s3.missing ? ` (${s3.missing})` : ''}`, () => {
  let retrieve: RetrieveInstances;
  let destination: MemoryDestination;
  const files = new Map<string, Buffer>();
  let number = 0;

  beforeEach(async () => {
    const store = new S3ObjectStore({ ...(s3.server as TestS3), requestTimeoutMs });
    const folder = `retrieve/${++number}`;
    const index = new MemoryIndex();
    destination = new MemoryDestination();
    for (const uid of uids) {
      // More than sockets and streams hold between them.
      const file = image(uid, { rows: 3_000, more: { PixelData: randomBytes(18_000_000) } });
      files.set(uid, file);
      await new S3ObjectStore(s3.server as TestS3).put(`${folder}/${uid}`, one(file));
    }
    index.instancesOfStudy = { '1.2': uids.map((uid) => ({ ...at(uid), blobKey: `${folder}/${uid}` })) };
    const objects = { open: (key: string, signal?: AbortSignal) => store.get(key, undefined, signal) };
    retrieve = new RetrieveInstances(index, objects, destination, new SendInstance(2), new SharedTurns(1), 10);
  });

  async function* one(bytes: Uint8Array): AsyncIterable<Uint8Array> {
    yield Promise.resolve(bytes);
  }
  const isWhole = (uid: string, bytes: Buffer): boolean => {
    const file = files.get(uid) ?? Buffer.alloc(0);
    return bytes.equals(file.subarray(parseFile(file).datasetOffset));
  };
  async function ended(progress: AsyncGenerator<SubOperationCounts, SubOperations>): Promise<SubOperations> {
    for (;;) {
      const next = await progress.next();
      if (next.done) return next.value;
    }
  }
  const slowly = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2.5 * requestTimeoutMs));

  it('of C-MOVE go on behind an object whose destination takes its time to answer', async () => {
    destination.answer = async ({ sopInstanceUid }) => {
      if (sopInstanceUid === '1.1') await slowly();
      return undefined;
    };
    const move = retrieve.move(
      study,
      { aet: 'DEST', host: '127.0.0.1', port: 104 },
      { aet: 'VIEWER', messageId: 7 },
      new AbortController().signal,
    );
    expect((await ended(move)).counts).toEqual({ remaining: 0, completed: 3, failed: 0, warning: 0 });
    for (const { sopInstanceUid, bytes } of destination.stored) expect(isWhole(sopInstanceUid, bytes)).toBe(true);
    expect(unheard).toEqual([]);
  });

  it('of C-GET go on when the peer stops reading in the middle of an object', async () => {
    const got = new Map<string, Buffer>();
    const sender: SubOperationSender = {
      transferSyntaxesFor: () => [explicitLe],
      async store({ sopInstanceUid, dataset }) {
        const chunks: Buffer[] = [];
        for await (const chunk of dataset(65_536)) {
          chunks.push(chunk);
          if (chunks.length === 5 && sopInstanceUid !== '1.2') await slowly();
        }
        got.set(sopInstanceUid, Buffer.concat(chunks));
        return { status: 0 };
      },
    };
    const get = retrieve.get(study, sender, 'VIEWER', new AbortController().signal);
    expect((await ended(get)).counts).toEqual({ remaining: 0, completed: 3, failed: 0, warning: 0 });
    for (const [uid, bytes] of got) expect(isWhole(uid, bytes)).toBe(true);
    expect(unheard).toEqual([]);
  });
});
