import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';

import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { orSkip, startS3, type TestS3 } from '@callosum/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { ObjectNotFoundError, ObjectStoreUnavailableError, S3ObjectStore, type S3ObjectStoreOptions } from './index.js';
import { partBytes } from './upload-buffers.js';
import { Recorder, type Sent } from './test-support/recorder.js';

const s3 = await orSkip(startS3);
afterAll(() => s3.server?.stop());

async function* chunks(...parts: Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* parts;
}

describe.skipIf(s3.missing)(`what is sent to S3${s3.missing ? ` (${s3.missing})` : ''}`, () => {
  let recorder: Recorder;
  let endpoint: string;
  let number = 0;
  const open = (options: Partial<S3ObjectStoreOptions> = {}): S3ObjectStore =>
    new S3ObjectStore({ ...(s3.server as TestS3), endpoint, ...options });
  const key = (): string => `wire/${++number}`;
  const large = randomBytes(2 * partBytes + 1_000);
  const of = (method: string, query?: string): Sent[] =>
    recorder.sent.filter((sent) => sent.method === method && (query === undefined || sent.path.includes(query)));

  beforeEach(async () => {
    recorder = new Recorder();
    endpoint = await recorder.listen((s3.server as TestS3).endpoint);
  });
  afterEach(() => recorder.close());

  it.each([
    ['AES256', undefined],
    ['aws:kms', undefined],
    ['aws:kms', 'alias/imaging'],
  ] as const)(
    'asks for encryption with %s (key %s), of objects in one part and in several',
    async (encryption, kmsKeyId) => {
      // Headers only: the server of this test encrypts nothing, and may refuse what it does not know.
      recorder.answer = ({ method }) => (method === 'DELETE' ? undefined : 501);
      const store = open({ encryption, attemptsMax: 1, ...(kmsKeyId ? { kmsKeyId } : {}) });
      for (const bytes of [randomBytes(100), large])
        await expect(store.put(key(), chunks(bytes))).rejects.toBeInstanceOf(ObjectStoreUnavailableError);
      const writes = [...of('PUT'), ...of('POST', 'uploads')];
      expect(writes).toHaveLength(2);
      for (const { headers } of writes) {
        expect(headers['x-amz-server-side-encryption']).toBe(encryption);
        expect(headers['x-amz-server-side-encryption-aws-kms-key-id']).toBe(kmsKeyId);
      }
    },
  );

  it('asks for no encryption, and overwrites nothing, where nothing is set', async () => {
    await open().put(key(), chunks(randomBytes(100)));
    const [write] = of('PUT');
    expect(Object.keys(write?.headers ?? {}).filter((name) => name.includes('encryption'))).toEqual([]);
    expect(write?.headers['if-none-match']).toBe('*');
  });

  it.each(['CRC32', 'SHA256'] as const)(
    'carries a checksum (%s) of an object and of each of its parts',
    async (checksum) => {
      const store = open({ checksum });
      const [one, several] = [key(), key()];
      const small = randomBytes(100);
      await store.put(one, chunks(small));
      await store.put(several, chunks(large));
      const header = `x-amz-checksum-${checksum.toLowerCase()}`;
      const trailer = ({ headers }: Sent): unknown => headers[header] ?? headers['x-amz-trailer'];
      expect(of('PUT')).toHaveLength(4);
      for (const sent of of('PUT')) expect(trailer(sent), sent.path).toBeDefined();
      if (checksum === 'SHA256')
        expect(of('PUT')[0]?.headers[header] ?? '').toBe(createHash('sha256').update(small).digest('base64'));
      expect((await buffer(await store.get(several))).equals(large)).toBe(true);
      expect(await buffer(await store.get(several, { offset: partBytes - 5, length: 10 }))).toEqual(
        large.subarray(partBytes - 5, partBytes + 5),
      );
    },
  );

  it('sends large parts without asking first, for which the SDK would open connections that nothing counts', async () => {
    await open().put(key(), chunks(large));
    expect(of('PUT')).toHaveLength(3);
    expect(recorder.sent.filter(({ headers }) => headers.expect !== undefined)).toEqual([]);
  });

  it('carries none for a server that knows none', async () => {
    const store = open({ checksum: 'none' });
    for (const bytes of [randomBytes(100), large]) await store.put(key(), chunks(bytes));
    for (const { headers } of recorder.sent)
      expect(Object.keys(headers).filter((name) => /checksum|trailer|sdk-checksum/.test(name))).toEqual([]);
  });

  it.each(['CRC32', 'SHA256'] as const)(
    'does not keep an object that was damaged on its way (%s)',
    async (checksum) => {
      const store = open({ checksum, attemptsMax: 1 });
      const damaged = (sent: Sent, body: Buffer): Buffer => {
        const copy = Buffer.from(body);
        if (sent.method === 'PUT' && copy.length > 50) copy[copy.length - 60] = (copy.at(-60) ?? 0) ^ 1;
        return copy;
      };
      // Of what is signed with its bytes the server would see it by the signature alone: here it must see the checksum.
      recorder.tamper = damaged;
      for (const bytes of [randomBytes(1_000), large]) {
        const name = key();
        await expect(store.put(name, chunks(bytes))).rejects.toBeInstanceOf(ObjectStoreUnavailableError);
        await expect(open().head(name)).rejects.toBeInstanceOf(ObjectNotFoundError);
      }
    },
  );

  it('sends an object again that was damaged once', async () => {
    let times = 0;
    recorder.answer = ({ method }) => (method === 'PUT' && times++ < 2 ? 503 : undefined);
    const name = key();
    await open({ attemptsMax: 3 }).put(name, chunks(randomBytes(100)));
    expect(of('PUT')).toHaveLength(3);
    recorder.answer = ({ method }) => (method === 'PUT' ? 503 : undefined);
    await expect(open({ attemptsMax: 2 }).put(key(), chunks(randomBytes(100)))).rejects.toBeInstanceOf(
      ObjectStoreUnavailableError,
    );
    expect(of('PUT')).toHaveLength(5);
  });

  it('tells a reader of a whole object, in one part or several, that its bytes were damaged', async () => {
    const store = open();
    for (const bytes of [randomBytes(1_000), large]) {
      const name = key();
      await store.put(name, chunks(bytes));
      recorder.tamperAnswer = ({ method }, body) => {
        const copy = Buffer.from(body);
        if (method === 'GET' && copy.length > 500) copy[500] = (copy[500] ?? 0) ^ 1;
        return copy;
      };
      await expect(store.get(name).then(buffer), String(bytes.length)).rejects.toThrow(/[Cc]hecksum/);
      recorder.tamperAnswer = (_sent, body) => body;
      expect((await buffer(await store.get(name))).equals(bytes)).toBe(true);
    }
  });

  it('does not believe a server that kept other bytes than it was sent', async () => {
    const store = open();
    const name = key();
    // As a server does that joins parts wrongly: each part was right.
    recorder.tamperAnswer = ({ method, path }, body) =>
      method === 'POST' && path.includes('uploadId')
        ? Buffer.from(body.toString().replace(/<ChecksumCRC32>[^<]*</, '<ChecksumCRC32>AAAAAA==<'))
        : body;
    await expect(store.put(name, chunks(large))).rejects.toThrow(/other bytes/);
    await expect(store.head(name)).rejects.toBeInstanceOf(ObjectNotFoundError);
  });

  it('gives up a server that takes a request and never answers', async () => {
    recorder.stall = () => true;
    const started = Date.now();
    const store = open({ requestTimeoutMs: 300, attemptsMax: 2 });
    await expect(store.put(key(), chunks(randomBytes(100)))).rejects.toBeInstanceOf(ObjectStoreUnavailableError);
    await expect(store.head(key())).rejects.toBeInstanceOf(ObjectStoreUnavailableError);
    expect(Date.now() - started).toBeLessThan(10_000);
    expect(recorder.sent.length).toBe(4);
  });

  it('leaves no part behind when a part fails, or the source does', async () => {
    const store = open({ attemptsMax: 1 });
    const broken = (async function* () {
      yield large;
      await Promise.resolve();
      throw new Error('the sender went away');
    })();
    await expect(store.put(key(), broken)).rejects.toThrow('the sender went away');
    recorder.answer = ({ method, path }) => (method === 'PUT' && path.includes('partNumber=2') ? 500 : undefined);
    await expect(store.put(key(), chunks(large))).rejects.toBeInstanceOf(ObjectStoreUnavailableError);
    const { bucket, region, accessKeyId, secretAccessKey, endpoint: direct } = s3.server as TestS3;
    const credentials = { accessKeyId, secretAccessKey };
    const client = new S3Client({ endpoint: direct, region, forcePathStyle: true, credentials });
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: 'wire/' }));
    client.destroy();
    expect(Uploads).toEqual([]);
  });

  it('takes no more buffers than it may, and small objects pass by those that wait', async () => {
    const store = open({ uploadBytesMax: 2 * partBytes });
    const stalled = Array.from({ length: 3 }, () => {
      let go = (): void => undefined;
      const more = new Promise<void>((resolve) => (go = resolve));
      let asked = 0;
      const source = (async function* () {
        for (; asked < 3; asked++) yield randomBytes(1024 * 1024);
        await more;
      })();
      return { go: () => go(), asked: () => asked, done: store.put(key(), source) };
    });
    await expect.poll(() => stalled.map(({ asked }) => asked())).toEqual([3, 3, 1]);
    await store.put(key(), chunks(randomBytes(1024 * 1024)));
    for (const { go } of stalled) go();
    for (const { done } of stalled) expect((await done).byteCount).toBe(3 * 1024 * 1024);
  });

  it('takes no more small objects at once than it has room for; the others wait, and go on', async () => {
    const store = open({ uploadBytesMax: 2 * partBytes });
    let go = (): void => undefined;
    const more = new Promise<void>((resolve) => (go = resolve));
    const asked = [0, 0, 0, 0];
    const done = asked.map((_, index) => {
      const source = (async function* () {
        for (let n = 0; n < 2; n++) {
          asked[index] = n + 1;
          yield randomBytes(100);
        }
        await more;
      })();
      return store.put(key(), source);
    });
    await expect.poll(() => asked).toEqual([2, 2, 1, 1]);
    await store.put(key(), chunks(large));
    expect(asked).toEqual([2, 2, 1, 1]);
    go();
    for (const { byteCount } of await Promise.all(done)) expect(byteCount).toBe(200);
  });

  it('keeps no piece as it came, nor the chunk of the socket it lies in', async () => {
    for (const byteCount of [2_000, 1_500_000]) {
      const bytes = randomBytes(byteCount);
      const name = key();
      const pieceBytes = byteCount / 1_000;
      const source = (async function* () {
        const chunk = Buffer.alloc(64 * 1024);
        for (let at = 0; at < byteCount; at += pieceBytes) {
          bytes.copy(chunk, 100, at, at + pieceBytes);
          yield chunk.subarray(100, 100 + pieceBytes);
          yield chunk.subarray(0, 0);
          // Whoever kept it sees that.
          chunk.fill(0xee);
          await Promise.resolve();
        }
      })();
      await open().put(name, source);
      expect((await buffer(await open().get(name))).equals(bytes), String(byteCount)).toBe(true);
    }
  });

  it('sends what ends with a part in no part more, and what fits in one as one object', async () => {
    const store = open();
    const [one, two] = [key(), key()];
    await store.put(one, chunks(large.subarray(0, partBytes)));
    expect(recorder.sent.map(({ method }) => method)).toEqual(['PUT']);
    await store.put(two, chunks(large.subarray(0, 2 * partBytes)));
    expect(of('PUT', 'partNumber')).toHaveLength(2);
    expect((await buffer(await store.get(two))).equals(large.subarray(0, 2 * partBytes))).toBe(true);
  });

  it('gives its memory back, whatever became of an upload', async () => {
    const store = open({ uploadBytesMax: partBytes, attemptsMax: 1, requestTimeoutMs: 500 });
    const broken = (async function* () {
      yield large;
      await Promise.resolve();
      throw new Error('the sender went away');
    })();
    await expect(store.put(key(), broken)).rejects.toThrow('the sender went away');
    recorder.stall = ({ path }) => path.includes('partNumber=2');
    await expect(store.put(key(), chunks(large))).rejects.toBeInstanceOf(ObjectStoreUnavailableError);
    recorder.stall = () => false;
    const name = key();
    await store.put(name, chunks(large));
    expect((await buffer(await store.get(name))).equals(large)).toBe(true);
  });

  describe('in bounded memory', () => {
    const mebibytes = 160;
    const megabyte = randomBytes(1024 * 1024);
    let before: number;
    beforeAll(() => {
      before = process.memoryUsage().arrayBuffers;
    });
    it(`streams an object of ${mebibytes} MiB, a few parts at a time`, async () => {
      let highest = 0;
      const source = (async function* () {
        for (let n = 0; n < mebibytes; n++) {
          highest = Math.max(highest, process.memoryUsage().arrayBuffers - before);
          yield Buffer.from(megabyte);
          await Promise.resolve();
        }
      })();
      // Straight to the server: the recorder holds bodies of its own.
      const store = new S3ObjectStore(s3.server as TestS3);
      expect((await store.put(key(), source)).byteCount).toBe(mebibytes * 1024 * 1024);
      expect(highest).toBeLessThan(60 * 1024 * 1024);
    });
  });
});
