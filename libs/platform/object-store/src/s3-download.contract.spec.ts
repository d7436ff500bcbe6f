import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';

import { orSkip, startS3, TcpProxy, type TestS3 } from '@callosum/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { S3ObjectStore, type S3ObjectStoreOptions } from './index.js';

const s3 = await orSkip(startS3);
afterAll(() => s3.server?.stop());

/** More than sockets and streams hold between them. */
const large = randomBytes(24 * 1024 * 1024);

async function* one(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield Promise.resolve(bytes);
}

// What an error event does that nobody hears: vitest would only say so at its end.
const unheard: unknown[] = [];
const hear = (error: unknown): void => void unheard.push(error);

describe.skipIf(s3.missing)(`what is read from S3${s3.missing ? ` (${s3.missing})` : ''}`, () => {
  let proxy: TcpProxy;
  let number = 0;
  const open = (options: Partial<S3ObjectStoreOptions> = {}): S3ObjectStore =>
    new S3ObjectStore({ ...(s3.server as TestS3), endpoint: `http://127.0.0.1:${proxy.port}`, ...options });
  /** Written past the proxy, with a checksum of the whole object where `checksum` has one. */
  const kept = async (checksum: 'CRC32' | 'SHA256' | 'none' = 'CRC32', bytes = large): Promise<string> => {
    const key = `read/${++number}`;
    await new S3ObjectStore({ ...(s3.server as TestS3), checksum }).put(key, one(bytes));
    return key;
  };

  beforeAll(() => process.on('uncaughtException', hear));
  afterAll(() => process.off('uncaughtException', hear));
  beforeEach(async () => {
    proxy = await TcpProxy.to(Number(new URL((s3.server as TestS3).endpoint).port));
  });
  afterEach(async () => {
    await proxy.close();
    await new Promise(setImmediate);
    expect(unheard.splice(0)).toEqual([]);
  });

  it.each(['CRC32', 'none'] as const)(
    'is whole though nobody took of it for longer than it is waited (%s)',
    async (checksum) => {
      const key = await kept(checksum);
      const store = open({ checksum, connectionsMax: 2, requestTimeoutMs: 1_000 });
      const unread = await store.get(key);
      const begun = await store.get(key, { offset: 1_000, length: large.length - 2_000 });
      await once(begun, 'readable');
      const first = begun.read() as Buffer;
      // Both connections are taken, until they are cut.
      await store.head(key);
      expect((await buffer(unread)).equals(large)).toBe(true);
      expect(Buffer.concat([first, await buffer(begun)]).equals(large.subarray(1_000, -1_000))).toBe(true);
    },
  );

  it('is whole though its connection is lost, while it waits and while it is waited for', async () => {
    const key = await kept();
    const store = open();
    const [unread, read] = [await store.get(key), await store.get(key)];
    const chunks: Buffer[] = [];
    for await (const chunk of read) {
      if (chunks.length === 0) proxy.cut();
      chunks.push(chunk as Buffer);
    }
    expect(Buffer.concat(chunks).equals(large)).toBe(true);
    expect((await buffer(unread)).equals(large)).toBe(true);
  });

  it('is an error for its reader, and no other event, when the server stays lost', async () => {
    const key = await kept();
    const store = open({ attemptsMax: 1 });
    const [unread, begun] = [await store.get(key), await store.get(key), await store.get(key)];
    const read = (async () => {
      for await (const chunk of begun) if (chunk) await proxy.close();
    })();
    await expect(read).rejects.toMatchObject({ code: 'object-store.unavailable' });
    await expect(buffer(unread)).rejects.toMatchObject({ code: 'object-store.unavailable' });
  });

  it('is whole or an error, and no other event, where only the SDK can tell that the whole is right', async () => {
    const key = await kept('SHA256', large.subarray(0, 4 * 1024 * 1024));
    const store = open({ checksum: 'SHA256', connectionsMax: 1, requestTimeoutMs: 1_000 });
    const unread = await store.get(key);
    await store.head(key);
    const outcome = await buffer(unread).catch((error: unknown) => error);
    // As much as four mebibytes may have been there whole.
    if (Buffer.isBuffer(outcome)) expect(outcome).toHaveLength(4 * 1024 * 1024);
    else expect(outcome).toMatchObject({ message: expect.stringMatching(/timed out|lost/) as string });
  });
});
