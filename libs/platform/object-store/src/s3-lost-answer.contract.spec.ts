import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';

import { orSkip, startS3, type TestS3 } from '@callosum/testing';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';

import { ObjectExistsError, ObjectStoreUnavailableError, S3ObjectStore, type S3ObjectStoreOptions } from './index.js';
import { partBytes } from './upload-buffers.js';
import { Recorder, type Sent } from './test-support/recorder.js';

const s3 = await orSkip(startS3);
afterAll(() => s3.server?.stop());

async function* chunks(...parts: Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* parts;
}

const isComplete = ({ method, path }: Sent): boolean => method === 'POST' && path.includes('uploadId=');
const isWhole = ({ method, path }: Sent): boolean => method === 'PUT' && !path.includes('partNumber');

describe.skipIf(s3.missing)(`a write to S3${s3.missing ? ` (${s3.missing})` : ''}`, () => {
  let recorder: Recorder;
  let endpoint: string;
  let number = 0;
  const open = (options: Partial<S3ObjectStoreOptions> = {}): S3ObjectStore =>
    new S3ObjectStore({ ...(s3.server as TestS3), endpoint, ...options });
  const key = (): string => `lost/${++number}`;
  const small = randomBytes(1_000);
  const large = randomBytes(2 * partBytes + 1_000);
  const other = randomBytes(large.length);
  const once = (which: (sent: Sent) => boolean): ((sent: Sent) => boolean) => {
    let times = 0;
    return (sent) => which(sent) && times++ === 0;
  };

  beforeEach(async () => {
    recorder = new Recorder();
    endpoint = await recorder.listen((s3.server as TestS3).endpoint);
  });
  afterEach(() => recorder.close());

  it.each([
    ['NoSuchBucket', small],
    ['NoSuchBucket', large],
    ['NoSuchUpload', large],
  ])(
    'that is answered 404 %s is one the store cannot take now, not one of an object that is missing',
    async (code, bytes) => {
      recorder.answer = ({ method }) => (method === 'PUT' || method === 'POST' ? 404 : undefined);
      recorder.code = code;
      await expect(open().put(key(), chunks(bytes))).rejects.toBeInstanceOf(ObjectStoreUnavailableError);
    },
  );

  describe.each(['CRC32', 'SHA256', 'none'] as const)('whose last answer was lost (checksum %s)', (checksum) => {
    it.each([
      ['the upload gone', isComplete, large, 404, 'NoSuchUpload'],
      ['the key taken', isComplete, large, 412, 'PreconditionFailed'],
      ['the key taken', isWhole, small, 412, 'PreconditionFailed'],
    ] as const)('and that finds %s, is done when its bytes are there', async (_, which, bytes, status, code) => {
      const lost = once(which);
      let answered = 0;
      recorder.loseAnswer = lost;
      recorder.answer = (sent) => (which(sent) && answered++ > 0 ? status : undefined);
      recorder.code = code;
      const name = key();
      const store = open({ checksum, uploadBytesMax: partBytes });
      expect((await store.put(name, chunks(bytes))).byteCount).toBe(bytes.length);
      recorder.answer = () => undefined;
      expect((await buffer(await store.get(name))).equals(bytes)).toBe(true);
      // The one buffer there is has come back.
      await store.put(key(), chunks(large));
    });

    it.each([
      [404, 'NoSuchUpload', ObjectStoreUnavailableError],
      [412, 'PreconditionFailed', ObjectExistsError],
    ] as const)(
      'and that is answered %s (%s), is not when other bytes of that size are there',
      async (status, code, error) => {
        const name = key();
        await open({ checksum }).put(name, chunks(other));
        let attempts = 0;
        recorder.answer = (sent) => (isComplete(sent) ? (attempts++ === 0 ? 503 : status) : undefined);
        recorder.code = code;
        await expect(open({ checksum }).put(name, chunks(large))).rejects.toBeInstanceOf(error);
        recorder.answer = () => undefined;
        expect((await buffer(await open().get(name))).equals(other)).toBe(true);
      },
    );

    it('is not when nothing is there', async () => {
      let attempts = 0;
      recorder.answer = (sent) => (isComplete(sent) ? (attempts++ === 0 ? 503 : 404) : undefined);
      recorder.code = 'NoSuchUpload';
      await expect(open({ checksum }).put(key(), chunks(large))).rejects.toBeInstanceOf(ObjectStoreUnavailableError);
    });
  });
});
