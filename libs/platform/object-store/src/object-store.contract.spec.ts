import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';

import { CreateMultipartUploadCommand, S3Client, UploadPartCommand } from '@aws-sdk/client-s3';
import { orSkip, startS3, type TestS3 } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import {
  FileObjectStore,
  InvalidKeyError,
  ObjectExistsError,
  ObjectNotFoundError,
  type ObjectStore,
  ObjectStoreFullError,
  ObjectStoreUnavailableError,
  S3ObjectStore,
} from './index.js';

// An async source, as the network gives it.
async function* chunks(...parts: Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* parts;
}
async function* failing(part: Uint8Array): AsyncIterable<Uint8Array> {
  yield part;
  await Promise.resolve();
  throw new Error('the sender went away');
}
async function keysOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys.sort();
}

const s3 = await orSkip(startS3);
afterAll(() => s3.server?.stop());

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'callosum-objects-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a process leaves that is killed in the middle of an upload. */
async function killedUpload({ endpoint, region, bucket, accessKeyId, secretAccessKey }: TestS3): Promise<void> {
  const client = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
  const upload = { Bucket: bucket, Key: 'f/killed' };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(upload));
  await client.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: randomBytes(1000) }));
  client.destroy();
}

interface Adapter {
  readonly name: string;
  readonly missing: string | undefined;
  open(): ObjectStore;
  leaveUnfinished(): Promise<void>;
}
const adapters: Adapter[] = [
  {
    name: 'files',
    missing: undefined,
    open: () => new FileObjectStore({ root: join(folder, 'store'), diskFreeBytesMin: 0 }),
    leaveUnfinished: () => {
      writeFileSync(join(folder, 'store', '.staging', 'killed'), randomBytes(1000));
      return Promise.resolve();
    },
  },
  {
    name: 'S3',
    missing: s3.missing,
    open: () => new S3ObjectStore(s3.server as TestS3),
    leaveUnfinished: () => killedUpload(s3.server as TestS3),
  },
];

for (const { name, missing, open, leaveUnfinished } of adapters) {
  describe.skipIf(missing)(`ObjectStore on ${name}${missing ? ` (${missing})` : ''}`, () => {
    let store: ObjectStore;
    beforeAll(() => {
      store = open();
    });

    it('gives back what was put, whole and by range, with its digest', async () => {
      const bytes = randomBytes(300_000);
      const stored = await store.put('a/one', chunks(bytes.subarray(0, 1000), bytes.subarray(1000)));
      expect(stored).toEqual({
        key: 'a/one',
        byteCount: 300_000,
        sha256: createHash('sha256').update(bytes).digest('hex'),
      });
      expect(await buffer(await store.get('a/one'))).toEqual(bytes);
      expect(await buffer(await store.get('a/one', { offset: 10, length: 20 }))).toEqual(bytes.subarray(10, 30));
      expect(await buffer(await store.get('a/one', { offset: 299_990 }))).toEqual(bytes.subarray(299_990));
      expect(await buffer(await store.get('a/one', { offset: 5, length: 0 }))).toHaveLength(0);
      expect(await buffer(await store.get('a/one', { offset: 300_000, length: 10 }))).toHaveLength(0);
      expect((await store.head('a/one')).byteCount).toBe(300_000);
    });

    it('gives up with the signal of who asks, before and in the middle of an object', async () => {
      await store.put('a/given-up', chunks(randomBytes(4 * 1024 * 1024)));
      const gone = new AbortController();
      const body = await store.get('a/given-up', undefined, gone.signal);
      const read = (async () => {
        for await (const chunk of body)
          if ((chunk as Uint8Array).length > 0) gone.abort(new Error('the client has gone'));
      })();
      await expect(read).rejects.toMatchObject({ name: 'AbortError', cause: { message: 'the client has gone' } });
      expect(body.destroyed).toBe(true);
      await expect(store.get('a/given-up', undefined, gone.signal)).rejects.toThrow('the client has gone');
      expect(
        await buffer(await store.get('a/one', { offset: 0, length: 5 }, new AbortController().signal)),
      ).toHaveLength(5);
    });

    it('streams more than one part', async () => {
      const part = randomBytes(1024 * 1024);
      const many = Array.from({ length: 20 }, () => part);
      const { byteCount } = await store.put('a/large', chunks(...many));
      expect(byteCount).toBe(20 * 1024 * 1024);
      const tail = await buffer(await store.get('a/large', { offset: 19 * 1024 * 1024 }));
      expect(tail.equals(part)).toBe(true);
    });

    it('digests what lies from an offset on that is known once the chunk comes which it lies in', async () => {
      const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
      const parts = [100, 100, 700_000, 700_000, 3].map((size) => randomBytes(size));
      const whole = Buffer.concat(parts);
      for (const offset of [0, 150, 200, 650_000, 1_300_000, whole.length, 2 ** 32]) {
        let taken = 0;
        const source = async function* (): AsyncIterable<Uint8Array> {
          for (const part of parts) {
            taken += part.length;
            yield part;
            await Promise.resolve();
          }
        };
        const told = await store.put(`a/tail-${offset}`, source(), () =>
          taken > Math.min(offset, whole.length - 1) ? offset : undefined,
        );
        expect(told.sha256).toBe(sha256(whole));
        expect(told.tailSha256, `from ${offset} on`).toBe(sha256(whole.subarray(offset)));
      }
      expect(await store.put('a/no-tail', chunks(whole))).not.toHaveProperty('tailSha256');
      expect(await store.put('a/never-told', chunks(whole), () => undefined)).not.toHaveProperty('tailSha256');
    });

    it('never overwrites', async () => {
      await store.put('b/once', chunks(Buffer.from('first')));
      await expect(store.put('b/once', chunks(Buffer.from('second')))).rejects.toBeInstanceOf(ObjectExistsError);
      expect((await buffer(await store.get('b/once'))).toString()).toBe('first');
    });

    it('shows nothing of an upload whose source failed, and hands the error on', async () => {
      await expect(store.put('c/half', failing(randomBytes(1000)))).rejects.toThrow('the sender went away');
      await expect(store.head('c/half')).rejects.toBeInstanceOf(ObjectNotFoundError);
      expect(await keysOf(store, 'c/')).toEqual([]);
    });

    it('deletes, twice if need be', async () => {
      await store.put('d/gone', chunks(Buffer.from('x')));
      await store.delete('d/gone');
      await store.delete('d/gone');
      await expect(store.get('d/gone')).rejects.toBeInstanceOf(ObjectNotFoundError);
    });

    it('lists by prefix', async () => {
      for (const key of ['e/x/1', 'e/x/2', 'e/y/1']) await store.put(key, chunks(Buffer.from(key)));
      expect(await keysOf(store, 'e/x/')).toEqual(['e/x/1', 'e/x/2']);
      expect(await keysOf(store, 'e/')).toEqual(['e/x/1', 'e/x/2', 'e/y/1']);
      expect(await keysOf(store, 'nothing/')).toEqual([]);
    });

    it('lists in the order of the keys, folders among them', async () => {
      const keys = ['g/a-b', 'g/a.b', 'g/a/2', 'g/a/b/1', 'g/a0', 'g/B', 'g/a_b'];
      for (const key of keys) await store.put(key, chunks(Buffer.from('x')));
      const listed: string[] = [];
      for await (const { key } of store.list('g/')) listed.push(key);
      expect(listed).toEqual([...keys].sort());
    });

    it('lists what lies behind a key, whether it exists or not', async () => {
      const keys = ['h/a-b', 'h/a/2', 'h/a/b/1', 'h/a/b/2', 'h/a0', 'h/b'];
      for (const key of keys) await store.put(key, chunks(Buffer.from('x')));
      for (const after of [...keys, 'h/', 'h/a', 'h/a/', 'h/a/b/', 'h/a/b/11', 'h/az', 'h/z', 'g', 'i']) {
        const listed: string[] = [];
        for await (const { key } of store.list('h/', after)) listed.push(key);
        expect(listed, after).toEqual(keys.filter((key) => key > after));
      }
    });

    it('removes what killed uploads left once it is old, and nothing that is under way', async () => {
      // What the tests before left on purpose or by accident.
      await store.sweepUnfinished('f/', new Date(Date.now() + 60_000));
      await leaveUnfinished();
      expect(await store.sweepUnfinished('f/', new Date(Date.now() - 60_000))).toBe(0);
      // S3 tells the second an upload began.
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      const between = new Date();
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      let release = (): void => undefined;
      const more = new Promise<void>((resolve) => (release = resolve));
      let begin = (): void => undefined;
      const begun = new Promise<void>((resolve) => (begin = resolve));
      const slow = store.put(
        'f/slow',
        (async function* () {
          yield randomBytes(9 * 1024 * 1024);
          begin();
          await more;
          yield randomBytes(9 * 1024 * 1024);
        })(),
      );
      await begun;
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(await store.sweepUnfinished('f/', between)).toBe(1);
      expect(await store.sweepUnfinished('f/', between)).toBe(0);
      release();
      expect((await slow).byteCount).toBe(18 * 1024 * 1024);
      await expect(store.head('f/killed')).rejects.toBeInstanceOf(ObjectNotFoundError);
    });

    it.each(['', '/abs', '../up', 'a/../../up', 'a//b', '.hidden', 'a/.hidden', 'a\0b', 'a\\b', 'ä', 'x'.repeat(256)])(
      'refuses the key %j',
      async (key) => {
        await expect(store.put(key, chunks(Buffer.from('x')))).rejects.toBeInstanceOf(InvalidKeyError);
        await expect(store.get(key)).rejects.toBeInstanceOf(InvalidKeyError);
      },
    );

    it('answers ping', async () => {
      await expect(store.ping()).resolves.toBeUndefined();
    });
  });
}

describe('the file store and the disk', () => {
  it('refuses writes below diskFreeBytesMin and still serves reads', async () => {
    const root = join(folder, 'nearly-full');
    await new FileObjectStore({ root, diskFreeBytesMin: 0 }).put('k', chunks(Buffer.from('kept')));
    const full = new FileObjectStore({ root, diskFreeBytesMin: Number.MAX_SAFE_INTEGER });
    await expect(full.put('l', chunks(Buffer.from('x')))).rejects.toBeInstanceOf(ObjectStoreUnavailableError);
    expect((await buffer(await full.get('k'))).toString()).toBe('kept');
    await expect(full.ping()).rejects.toBeInstanceOf(ObjectStoreFullError);
  });

  it('lets nobody but its owner read', async () => {
    const root = join(folder, 'private');
    await new FileObjectStore({ root, diskFreeBytesMin: 0 }).put('a/b', chunks(Buffer.from('x')));
    expect(statSync(root).mode & 0o077).toBe(0);
    expect(statSync(join(root, 'a', 'b')).mode & 0o077).toBe(0);
  });

  it('is unavailable when its folder was taken away, and goes on when it is back', async () => {
    const root = join(folder, 'taken-away');
    const store = new FileObjectStore({ root, diskFreeBytesMin: 0 });
    await store.put('x/one', chunks(Buffer.from('x')));
    rmSync(root, { recursive: true });
    await expect(store.put('x/two', chunks(Buffer.from('x')))).rejects.toBeInstanceOf(ObjectStoreUnavailableError);
    await expect(store.put('x/two', chunks(Buffer.from('x')))).resolves.toMatchObject({ byteCount: 1 });
  });

  // Mounting needs root; elsewhere the refusal above stands for it.
  it.runIf(process.getuid?.() === 0)(
    'turns a disk that fills up meanwhile into "unavailable" and leaves nothing behind',
    async () => {
      const root = join(folder, 'tiny-disk');
      mkdirSync(root);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', root]);
      try {
        const store = new FileObjectStore({ root, diskFreeBytesMin: 0 });
        const many = Array.from({ length: 8 }, () => randomBytes(512 * 1024));
        await expect(store.put('big', chunks(...many))).rejects.toBeInstanceOf(ObjectStoreUnavailableError);
        expect(readdirSync(join(root, '.staging'))).toEqual([]);
        await expect(store.put('small', chunks(Buffer.from('fits')))).resolves.toMatchObject({ byteCount: 4 });
      } finally {
        execFileSync('umount', [root]);
      }
    },
  );
});

describe('the S3 store without its server', () => {
  it('says that it is unavailable', async () => {
    const gone = new S3ObjectStore({
      endpoint: 'http://127.0.0.1:1',
      region: 'us-east-1',
      bucket: 'b',
      accessKeyId: 'a',
      secretAccessKey: 's',
    });
    await expect(gone.put('k', chunks(Buffer.from('x')))).rejects.toBeInstanceOf(ObjectStoreUnavailableError);
    await expect(gone.ping()).rejects.toBeInstanceOf(ObjectStoreUnavailableError);
  });
});
