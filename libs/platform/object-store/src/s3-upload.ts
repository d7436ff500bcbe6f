import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';

import { type PartBuffers, partBytes } from './part-buffers.js';
import type { WriteParameters } from './s3-options.js';

/** What most objects fit in: they are kept as they came and sent as one, and take no buffer. */
const wholeBytesMax = 1024 * 1024;

/** What the server says of the object it keeps. */
export interface Kept {
  readonly ChecksumCRC32?: string | undefined;
  readonly ChecksumSHA256?: string | undefined;
}

export interface UploadTarget {
  readonly client: S3Client;
  readonly bucket: string;
  readonly key: string;
  readonly parameters: WriteParameters;
  readonly buffers: PartBuffers;
}

/**
 * One object on its way: with one request when it is small, in parts one after the other when it is not. It holds at most
 * one buffer, while it has more than `wholeBytesMax`. A taken key is refused by the server (If-None-Match).
 * Either `end` or `abort` is called, once. Methods throw the SDK's errors.
 */
export class S3Upload {
  readonly #target: UploadTarget;
  readonly #parts: CompletedPart[] = [];
  #chunks: Uint8Array[] = [];
  #buffer: Buffer | undefined;
  /** In `#chunks` or `#buffer`, not sent yet. */
  #held = 0;
  #uploadId: string | undefined;
  /** A request reads the buffer. */
  #sending = false;

  constructor(target: UploadTarget) {
    this.#target = target;
  }

  /** Takes all of the chunk; waits for a buffer, or for the server when one is full. */
  async write(chunk: Uint8Array): Promise<void> {
    if (!this.#buffer && this.#held + chunk.byteLength <= wholeBytesMax) {
      this.#chunks.push(chunk);
      this.#held += chunk.byteLength;
      return;
    }
    await this.#takeBuffer();
    await this.#fill(chunk);
  }

  /** @returns what the server keeps */
  async end(): Promise<Kept> {
    const kept = this.#uploadId === undefined ? await this.#sendWhole() : await this.#complete(this.#uploadId);
    this.#leaveBuffer();
    return kept;
  }

  /** Leaves nothing on the server. @throws the SDK's error when that fails: the sweeper finds what is left */
  async abort(): Promise<void> {
    this.#chunks = [];
    this.#leaveBuffer();
    if (this.#uploadId === undefined) return;
    const { client, bucket: Bucket, key: Key } = this.#target;
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: this.#uploadId }));
  }

  async #takeBuffer(): Promise<void> {
    if (this.#buffer) return;
    this.#buffer = await this.#target.buffers.take();
    const [chunks, before] = [this.#chunks, this.#held];
    this.#chunks = [];
    this.#held = 0;
    if (before > 0) for (const chunk of chunks) await this.#fill(chunk);
  }

  #leaveBuffer(): void {
    if (!this.#buffer) return;
    if (this.#sending) this.#target.buffers.discard();
    else this.#target.buffers.give(this.#buffer);
    this.#buffer = undefined;
  }

  async #fill(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.byteLength;) {
      // Only when more comes: what ends here is one object, or a last part, and no part is empty.
      if (this.#held === partBytes) await this.#sendPart();
      const piece = chunk.subarray(at, at + partBytes - this.#held);
      this.#buffer?.set(piece, this.#held);
      this.#held += piece.byteLength;
      at += piece.byteLength;
    }
  }

  async #sendPart(): Promise<void> {
    const { client, bucket: Bucket, key: Key, parameters } = this.#target;
    this.#uploadId ??= (await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...parameters }))).UploadId;
    const PartNumber = this.#parts.length + 1;
    const { ChecksumAlgorithm } = parameters;
    const { ETag, ChecksumCRC32, ChecksumSHA256 } = await this.#reading(() =>
      client.send(
        new UploadPartCommand({
          Bucket,
          Key,
          UploadId: this.#uploadId,
          PartNumber,
          Body: this.#heldBytes(),
          ...(ChecksumAlgorithm ? { ChecksumAlgorithm } : {}),
        }),
      ),
    );
    this.#parts.push({
      PartNumber,
      ETag,
      ...(ChecksumCRC32 ? { ChecksumCRC32 } : {}),
      ...(ChecksumSHA256 ? { ChecksumSHA256 } : {}),
    });
    this.#held = 0;
  }

  async #complete(UploadId: string): Promise<Kept> {
    if (this.#held > 0) await this.#sendPart();
    const { client, bucket: Bucket, key: Key, parameters } = this.#target;
    const { ChecksumType } = parameters;
    return client.send(
      new CompleteMultipartUploadCommand({
        Bucket,
        Key,
        UploadId,
        IfNoneMatch: '*',
        MultipartUpload: { Parts: this.#parts },
        ...(ChecksumType ? { ChecksumType } : {}),
      }),
    );
  }

  #sendWhole(): Promise<Kept> {
    const { client, bucket: Bucket, key: Key, parameters } = this.#target;
    const { ChecksumType: _ofPartsOnly, ...whole } = parameters;
    const Body = this.#heldBytes();
    return this.#reading(() => client.send(new PutObjectCommand({ Bucket, Key, Body, IfNoneMatch: '*', ...whole })));
  }

  #heldBytes(): Uint8Array {
    return this.#buffer ? this.#buffer.subarray(0, this.#held) : Buffer.concat(this.#chunks);
  }

  /** While a request, or one given up that its socket still sends, may read the buffer. */
  async #reading<T>(send: () => Promise<T>): Promise<T> {
    this.#sending = true;
    const answer = await send();
    this.#sending = false;
    return answer;
  }
}
