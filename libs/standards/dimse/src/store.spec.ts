import { rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, describe, expect, it } from 'vitest';

import { ctImageStorage, dataset, explicitVrLittleEndian, part10 } from '../test-support/objects.js';
import { type Provider, startProvider, until } from '../test-support/providers.js';
import {
  AssociationAbortedError,
  AssociationRejectedError,
  calledAetNotRecognized,
  ContextRefusedError,
  echo,
  NotPart10Error,
  PeerUnreachableError,
  type StoreFilesOptions,
  storeFiles,
  StoreStatus,
} from './index.js';

let provider: Provider | undefined;
afterEach(async () => {
  await provider?.server.close(0);
  provider = undefined;
});

const to = (port: number): Omit<StoreFilesOptions, 'files'> => ({
  host: '127.0.0.1',
  port,
  calledAet: 'CALLOSUM',
  callingAet: 'TEST',
});

describe('C-ECHO', () => {
  it('is answered with success and the association released', async () => {
    provider = await startProvider();
    expect(await echo(to(provider.port))).toEqual({ status: 0 });
    await until(() => provider?.ends.length === 1);
    expect(provider.ends).toEqual([{ how: 'released' }]);
    expect(provider.associations[0]).toMatchObject({
      callingAet: 'TEST',
      calledAet: 'CALLOSUM',
      remoteAddress: '127.0.0.1',
    });
  });
});

describe('C-STORE', () => {
  it('carries the dataset byte for byte, private attributes too', async () => {
    provider = await startProvider();
    const [outcome] = await storeFiles({ ...to(provider.port), files: [part10({ pixelBytes: 3_000_000 })] });
    expect(outcome).toMatchObject({ status: 0, stored: true, sopInstanceUid: '1.2.3.4.5' });
    expect(provider.stored[0]?.bytes.equals(dataset({ pixelBytes: 3_000_000 }))).toBe(true);
    expect(provider.stored[0]?.request).toMatchObject({
      sopClassUid: ctImageStorage,
      sopInstanceUid: '1.2.3.4.5',
      transferSyntaxUid: explicitVrLittleEndian,
    });
  });

  it('sends many files over one association, in order, and tells of each', async () => {
    provider = await startProvider();
    const files = Array.from({ length: 50 }, (_, index) => part10({ sopInstanceUid: `1.2.3.${index}` }));
    const seen: number[] = [];
    const outcomes = await storeFiles({ ...to(provider.port), files, onProgress: (_outcome, done) => seen.push(done) });
    expect(outcomes.map(({ sopInstanceUid }) => sopInstanceUid)).toEqual(files.map((_, index) => `1.2.3.${index}`));
    expect(provider.stored).toHaveLength(50);
    expect(provider.associations).toHaveLength(1);
    expect(seen).toEqual(files.map((_, index) => index + 1));
  });

  it('keeps a compressed transfer syntax as it comes', async () => {
    provider = await startProvider();
    const jpeg2000 = '1.2.840.10008.1.2.4.90';
    const outcomes = await storeFiles({
      ...to(provider.port),
      files: [part10({ transferSyntaxUid: jpeg2000 }), part10()],
    });
    expect(outcomes.map(({ status }) => status)).toEqual([0, 0]);
    expect(provider.stored.map(({ request }) => request.transferSyntaxUid)).toEqual([jpeg2000, explicitVrLittleEndian]);
  });

  it('tells status and comment of a refusal, and goes on', async () => {
    let count = 0;
    provider = await startProvider({}, async ({ dataset: stream }) => {
      stream.resume();
      await new Promise((resolve) => stream.on('end', resolve));
      return count++ === 0 ? { status: StoreStatus.OutOfResources, comment: 'no space' } : { status: 0 };
    });
    const outcomes = await storeFiles({ ...to(provider.port), files: [part10(), part10()] });
    expect(outcomes).toMatchObject([
      { status: 0xa700, comment: 'no space', stored: false },
      { status: 0, stored: true },
    ]);
  });

  it('answers a handler that refuses without reading once the rest of the dataset came', async () => {
    provider = await startProvider({}, () => Promise.resolve({ status: StoreStatus.OutOfResources }));
    const outcomes = await storeFiles({ ...to(provider.port), files: [part10({ pixelBytes: 5_000_000 })] });
    expect(outcomes).toMatchObject([{ status: 0xa700 }]);
  });

  it('answers 0110 when the handler fails, and keeps the association', async () => {
    provider = await startProvider({}, () => Promise.reject(new Error('defect')));
    const outcomes = await storeFiles({ ...to(provider.port), files: [part10({ pixelBytes: 5_000_000 }), part10()] });
    expect(outcomes.map(({ status }) => status)).toEqual([0x0110, 0x0110]);
    expect(provider.errors).toHaveLength(2);
  });

  it('tells of a file that is no DICOM file or whose context is refused, and sends the others', async () => {
    provider = await startProvider();
    const outcomes = await storeFiles({
      ...to(provider.port),
      files: [
        Buffer.from('hello'),
        part10({ transferSyntaxUid: '1.2.840.10008.1.2.4.94' }),
        '/does/not/exist',
        part10(),
      ],
    });
    expect(outcomes.map(({ stored }) => stored)).toEqual([false, false, false, true]);
    expect(outcomes[0]?.error).toBeInstanceOf(NotPart10Error);
    expect(outcomes[1]?.error).toBeInstanceOf(ContextRefusedError);
    expect(outcomes[1]?.error?.message).toContain('transfer syntaxes not supported');
    expect(outcomes[2]?.error).toBeInstanceOf(NotPart10Error);
  });
});

describe('a file', () => {
  it('that is gone when its turn comes is told, and the others are sent', async () => {
    provider = await startProvider();
    const folder = await mkdtemp(join(tmpdir(), 'callosum-store-'));
    const files = ['a', 'b', 'c'].map((name) => join(folder, name));
    for (const file of files) await writeFile(file, part10());
    const outcomes = await storeFiles({
      ...to(provider.port),
      files,
      onProgress: (_outcome, done) => {
        if (done === 1) rmSync(files[1] ?? '');
      },
    });
    expect(outcomes.map(({ stored }) => stored)).toEqual([true, false, true]);
    expect(outcomes[1]?.error).toBeInstanceOf(NotPart10Error);
    await rm(folder, { recursive: true });
  });
});

describe('an association', () => {
  it('that is rejected says result, source and reason', async () => {
    provider = await startProvider({ onAssociation: () => calledAetNotRecognized });
    const error = await echo(to(provider.port)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AssociationRejectedError);
    expect(error).toMatchObject({
      result: 1,
      source: 1,
      reason: 7,
      kind: 'forbidden',
      message: expect.stringContaining('called AE title not recognized') as string,
    });
  });

  it('beyond the limit is rejected as transient', async () => {
    provider = await startProvider({ limits: { associationsMax: 0 } });
    await expect(echo(to(provider.port))).rejects.toMatchObject({ result: 2, source: 3, reason: 2, retriable: true });
  });

  it('that nobody listens for is told as unreachable', async () => {
    provider = await startProvider();
    const { port } = provider;
    await provider.server.close(0);
    await expect(echo(to(port))).rejects.toBeInstanceOf(PeerUnreachableError);
  });

  it('aborted in the middle tells the sender what was stored before', async () => {
    let count = 0;
    provider = await startProvider({}, async ({ dataset: stream }) => {
      stream.resume();
      if (++count === 2) void provider?.server.close(0);
      await new Promise((resolve) => stream.on('close', resolve));
      return { status: 0 };
    });
    const error = await storeFiles({
      ...to(provider.port),
      files: [part10(), part10({ pixelBytes: 50_000_000 }), part10()],
    }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AssociationAbortedError);
    expect((error as AssociationAbortedError).outcomes.map(({ status }) => status)).toEqual([0]);
  });
});
