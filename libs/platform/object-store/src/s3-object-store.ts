import { createHash, type Hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';

import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3';

import { ObjectNotFoundError, ObjectStoreUnavailableError } from './errors.js';
import { handedOut } from './handed-out.js';
import { assertKey } from './key.js';
import type { ByteRange, ObjectInfo, ObjectStore, StoredObject, TailFrom } from './object-store.js';
import { base64OfCrc } from './crc.js';
import { answerOf, rangeFrom, type S3Answer, S3Download } from './s3-download.js';
import { statusOf, translate, translateWrite } from './s3-errors.js';
import {
  clientConfig,
  pingClientConfig,
  s3Defaults,
  type S3ObjectStoreOptions,
  writeParameters,
} from './s3-options.js';
import { type Kept, S3Upload } from './s3-upload.js';
import { partBytes, UploadBuffers, wholeBytesMax } from './upload-buffers.js';

/** Objects on an S3-compatible server. An upload that fails is aborted; a taken key is refused by the server. */
export class S3ObjectStore implements ObjectStore {
  readonly #client: S3Client;
  readonly #pingClient: S3Client;
  readonly #bucket: string;
  readonly #writeParameters: ReturnType<typeof writeParameters>;
  readonly #parts: UploadBuffers;
  readonly #wholes: UploadBuffers;

  constructor(options: S3ObjectStoreOptions) {
    this.#client = new S3Client(clientConfig(options));
    this.#pingClient = new S3Client(pingClientConfig(options));
    this.#bucket = options.bucket;
    this.#writeParameters = writeParameters(options);
    const { uploadBytesMax = s3Defaults.uploadBytesMax } = options;
    const buffersMax = Math.max(1, Math.floor(uploadBytesMax / partBytes));
    this.#parts = new UploadBuffers(partBytes, buffersMax);
    this.#wholes = new UploadBuffers(wholeBytesMax, buffersMax, 32);
  }

  async put(key: string, source: AsyncIterable<Uint8Array>, tailFrom?: TailFrom): Promise<StoredObject> {
    assertKey(key);
    const hash = createHash('sha256');
    let tailHash: Hash | undefined;
    let crc = 0;
    let byteCount = 0;
    const upload = new S3Upload({
      client: this.#client,
      bucket: this.#bucket,
      key,
      parameters: this.#writeParameters,
      parts: this.#parts,
      wholes: this.#wholes,
    });
    const asOurs = async <T>(work: Promise<T>): Promise<T> => {
      try {
        return await work;
      } catch (error) {
        throw translateWrite(error, key);
      }
    };
    const sent = (): SentObject => ({ byteCount, crc32: base64OfCrc(crc), sha256: hash.copy().digest() });
    let kept: Kept;
    try {
      // What the source throws goes on as it is.
      for await (const chunk of source) {
        hash.update(chunk);
        const from = tailFrom?.();
        if (from !== undefined) {
          tailHash ??= createHash('sha256');
          tailHash.update(chunk.subarray(Math.max(0, from - byteCount)));
        }
        crc = crc32(chunk, crc);
        byteCount += chunk.byteLength;
        await asOurs(upload.write(chunk));
      }
      kept = await asOurs(upload.end().catch((error: unknown) => this.#keptAfterAll(error, upload, key, sent())));
    } catch (error) {
      // What cannot be taken back now is the sweeper's.
      await upload.abort().catch(() => undefined);
      throw error;
    }
    const { sha256 } = sent();
    if (isOther(kept, sent())) {
      await this.delete(key);
      throw new ObjectStoreUnavailableError('it kept other bytes than it was sent');
    }
    const tail = tailHash && { tailSha256: tailHash.digest('hex') };
    return { key, byteCount, sha256: sha256.toString('hex'), ...tail };
  }

  /**
   * When the answer to the last request of an upload was lost, the same request sent again finds the upload gone
   * (NoSuchUpload) or the key taken (412), though the object is whole. So the server is asked for it: its size, and its
   * checksum where it tells one of the whole object; the bytes themselves where it does not.
   * @throws `error` when the object is not there, is another, or cannot be asked for
   */
  async #keptAfterAll(error: unknown, upload: S3Upload, key: string, sent: SentObject): Promise<Kept> {
    if (!(await this.#isKept(error, key, sent).catch(() => false))) throw error;
    await upload.abort().catch(() => undefined);
    return {};
  }

  async #isKept(error: unknown, key: string, sent: SentObject): Promise<boolean> {
    if (!mayHaveLostAnAnswer(error)) return false;
    const found = await this.#client.send(
      new HeadObjectCommand({ Bucket: this.#bucket, Key: key, ChecksumMode: 'ENABLED' }),
    );
    if (found.ContentLength !== sent.byteCount || isOther(found, sent)) return false;
    if (isSame(found, sent)) return true;
    const hash = createHash('sha256');
    for await (const chunk of await this.get(key)) hash.update(chunk as Uint8Array);
    return hash.digest().equals(sent.sha256);
  }

  async get(key: string, range?: ByteRange, signal?: AbortSignal): Promise<Readable> {
    assertKey(key);
    signal?.throwIfAborted();
    if (range?.length === 0) {
      await this.head(key);
      return Readable.from([]);
    }
    const ask = (from: number): Promise<S3Answer> =>
      answerOf(this.#client, { bucket: this.#bucket, key, range: rangeFrom(range, from), signal });
    return handedOut(new S3Download(await ask(0), ask), signal);
  }

  async head(key: string): Promise<ObjectInfo> {
    assertKey(key);
    try {
      const { ContentLength, LastModified } = await this.#client.send(
        new HeadObjectCommand({ Bucket: this.#bucket, Key: key }),
      );
      return { key, byteCount: ContentLength ?? 0, modifiedAt: LastModified ?? new Date(0) };
    } catch (error) {
      throw translate(error, key);
    }
  }

  async delete(key: string): Promise<void> {
    assertKey(key);
    try {
      await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: key }));
    } catch (error) {
      const translated = translate(error, key);
      if (!(translated instanceof ObjectNotFoundError)) throw translated;
    }
  }

  async *list(prefix: string, after?: string): AsyncIterable<ObjectInfo> {
    try {
      for await (const page of paginateListObjectsV2(
        { client: this.#client },
        { Bucket: this.#bucket, Prefix: prefix, ...(after === undefined ? {} : { StartAfter: after }) },
      )) {
        for (const { Key, Size, LastModified } of page.Contents ?? []) {
          if (Key) yield { key: Key, byteCount: Size ?? 0, modifiedAt: LastModified ?? new Date(0) };
        }
      }
    } catch (error) {
      throw translate(error, prefix);
    }
  }

  /** An upload's age counts from its beginning; S3 does not tell when a part came last. */
  async sweepUnfinished(prefix: string, before: Date, signal?: AbortSignal): Promise<number> {
    const unfinished: { key: string; uploadId: string }[] = [];
    try {
      for await (const { Key, UploadId, Initiated } of this.#uploads(prefix)) {
        signal?.throwIfAborted();
        if (Key && UploadId && Initiated && Initiated < before) unfinished.push({ key: Key, uploadId: UploadId });
      }
      for (const { key, uploadId } of unfinished) {
        signal?.throwIfAborted();
        await this.#abortUpload(key, uploadId);
      }
      return unfinished.length;
    } catch (error) {
      throw signal?.aborted ? signal.reason : translate(error, prefix);
    }
  }

  async *#uploads(prefix: string): AsyncGenerator<NonNullable<ListMultipartUploadsCommandOutput['Uploads']>[number]> {
    for (let markers: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {}; markers;) {
      const page: ListMultipartUploadsCommandOutput = await this.#client.send(
        new ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: prefix, ...markers }),
      );
      yield* page.Uploads ?? [];
      markers =
        page.IsTruncated && page.NextKeyMarker
          ? {
              KeyMarker: page.NextKeyMarker,
              ...(page.NextUploadIdMarker ? { UploadIdMarker: page.NextUploadIdMarker } : {}),
            }
          : undefined;
    }
  }

  /** One that ended meanwhile is as good as removed. */
  async #abortUpload(key: string, uploadId: string): Promise<void> {
    await this.#client
      .send(new AbortMultipartUploadCommand({ Bucket: this.#bucket, Key: key, UploadId: uploadId }))
      .catch((error: unknown) => {
        if (statusOf(error) !== 404) throw error;
      });
  }

  async ping(): Promise<void> {
    try {
      await this.#pingClient.send(new HeadBucketCommand({ Bucket: this.#bucket }));
    } catch (cause) {
      throw new ObjectStoreUnavailableError('the bucket does not answer', { cause });
    }
  }
}

/** What the source gave. */
interface SentObject {
  readonly byteCount: number;
  /** Base64, as S3 tells it. */
  readonly crc32: string;
  readonly sha256: Buffer;
}

/** Checksums the server tells of the whole object, each beside what was sent. A checksum of checksums (`…-3`) says nothing. */
const toldOf = (kept: Kept, sent: SentObject): { readonly told: string; readonly sent: string }[] =>
  [
    { told: kept.ChecksumCRC32, sent: sent.crc32 },
    { told: kept.ChecksumSHA256, sent: sent.sha256.toString('base64') },
  ].flatMap(({ told, sent: ours }) => (told === undefined || told.includes('-') ? [] : [{ told, sent: ours }]));

/**
 * Whether the server says of the whole object that it is not what the source gave: the SDK only guards each request, and
 * parts can be joined wrongly.
 */
const isOther = (kept: Kept, sent: SentObject): boolean => toldOf(kept, sent).some((one) => one.told !== one.sent);

/** Whether it says that it is. */
const isSame = (kept: Kept, sent: SentObject): boolean => toldOf(kept, sent).length > 0 && !isOther(kept, sent);

/** A first answer that says so is about another's object, or the bucket; the upload can also be gone by the first answer. */
function mayHaveLostAnAnswer(error: unknown): boolean {
  const { name, $metadata } = (error ?? {}) as { name?: string; $metadata?: { attempts?: number } };
  return name === 'NoSuchUpload' || (statusOf(error) === 412 && ($metadata?.attempts ?? 1) > 1);
}
