import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';

import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3';

import { ObjectExistsError, ObjectNotFoundError, ObjectStoreUnavailableError } from './errors.js';
import { assertKey } from './key.js';
import type { ByteRange, ObjectInfo, ObjectStore, StoredObject } from './object-store.js';
import { PartBuffers, partBytes } from './part-buffers.js';
import { clientConfig, s3Defaults, type S3ObjectStoreOptions, writeParameters } from './s3-options.js';
import { type Kept, S3Upload } from './s3-upload.js';

/** Objects on an S3-compatible server. An upload that fails is aborted; a taken key is refused by the server. */
export class S3ObjectStore implements ObjectStore {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #writeParameters: ReturnType<typeof writeParameters>;
  readonly #buffers: PartBuffers;

  constructor(options: S3ObjectStoreOptions) {
    this.#client = new S3Client(clientConfig(options));
    this.#bucket = options.bucket;
    this.#writeParameters = writeParameters(options);
    const { uploadBytesMax = s3Defaults.uploadBytesMax } = options;
    this.#buffers = new PartBuffers(Math.max(1, Math.floor(uploadBytesMax / partBytes)));
  }

  async put(key: string, source: AsyncIterable<Uint8Array>): Promise<StoredObject> {
    assertKey(key);
    const hash = createHash('sha256');
    let crc = 0;
    let byteCount = 0;
    const upload = new S3Upload({
      client: this.#client,
      bucket: this.#bucket,
      key,
      parameters: this.#writeParameters,
      buffers: this.#buffers,
    });
    const asOurs = async <T>(work: Promise<T>): Promise<T> => {
      try {
        return await work;
      } catch (error) {
        throw translate(error, key);
      }
    };
    let kept: Kept;
    try {
      // What the source throws goes on as it is.
      for await (const chunk of source) {
        hash.update(chunk);
        crc = crc32(chunk, crc);
        byteCount += chunk.byteLength;
        await asOurs(upload.write(chunk));
      }
      kept = await asOurs(upload.end());
    } catch (error) {
      // What cannot be taken back now is the sweeper's.
      await upload.abort().catch(() => undefined);
      throw error;
    }
    const sha256 = hash.digest();
    if (isOther(kept, crc, sha256)) {
      await this.delete(key);
      throw new ObjectStoreUnavailableError('it kept other bytes than it was sent');
    }
    return { key, byteCount, sha256: sha256.toString('hex') };
  }

  async get(key: string, range?: ByteRange): Promise<Readable> {
    assertKey(key);
    if (range?.length === 0) {
      await this.head(key);
      return Readable.from([]);
    }
    const end = range?.length === undefined ? '' : String(range.offset + range.length - 1);
    try {
      const { Body } = await this.#client.send(
        new GetObjectCommand({
          Bucket: this.#bucket,
          Key: key,
          ...(range ? { Range: `bytes=${range.offset}-${end}` } : {}),
        }),
      );
      return Body as Readable;
    } catch (error) {
      // A range behind the end is empty, as on a file system.
      if (statusOf(error) === 416) return Readable.from([]);
      throw translate(error, key);
    }
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

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    try {
      for await (const page of paginateListObjectsV2(
        { client: this.#client },
        { Bucket: this.#bucket, Prefix: prefix },
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
      await this.#client.send(new HeadBucketCommand({ Bucket: this.#bucket }));
    } catch (cause) {
      throw new ObjectStoreUnavailableError('the bucket does not answer', { cause });
    }
  }
}

/**
 * Whether the server says of the whole object that it is not what the source gave: the SDK only guards each request, and
 * parts can be joined wrongly. A checksum of checksums (`…-3`), or none, says nothing.
 */
function isOther(kept: Kept, crc: number, sha256: Buffer): boolean {
  const told = [kept.ChecksumCRC32, kept.ChecksumSHA256];
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return [bytes, sha256].some((sent, i) => {
    const one = told[i];
    return one !== undefined && !one.includes('-') && one !== sent.toString('base64');
  });
}

/** The SDK's errors in the port's terms. */
function translate(error: unknown, key: string): unknown {
  const name = error instanceof Error ? error.name : '';
  const status = statusOf(error);
  if (status === 404 || name === 'NoSuchKey' || name === 'NotFound') return new ObjectNotFoundError(key);
  // 409 is a write of the same key at the same time: who of the two wins is not known yet.
  if (status === 412 || name === 'PreconditionFailed') return new ObjectExistsError(key);
  return new ObjectStoreUnavailableError(name || 'no answer', { cause: error });
}

const statusOf = (error: unknown): number | undefined =>
  (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;
