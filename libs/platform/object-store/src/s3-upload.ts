import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';

import { partBytes, type UploadBuffers, wholeBytesMax } from './upload-buffers.js';
import type { WriteParameters } from './s3-options.js';

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
  /** Of `partBytes`, for objects in parts. */
  readonly parts: UploadBuffers;
  /** Of `wholeBytesMax`, for objects as one; who has one may wait for a part, never the other way round. */
  readonly wholes: UploadBuffers;
}

const nothing = Buffer.alloc(0);

/**
 * One object on its way: with one request when it is small, in parts one after the other when it is not. It holds one
 * buffer, which bytes are copied to: a piece that is kept as it came holds the chunk of the socket's it lies in, however
 * few bytes it has. A taken key is refused by the server (If-None-Match).
 * Either `end` or `abort` is called, once. Methods throw the SDK's errors.
 */
export class S3Upload {
  readonly #target: UploadTarget;
  readonly #parts: CompletedPart[] = [];
  #buffer: Buffer | undefined;
  /** Where the buffer is from. */
  #buffers: UploadBuffers;
  /** In `#buffer`, not sent yet. */
  #held = 0;
  #uploadId: string | undefined;
  /** A request reads the buffer. */
  #sending = false;

  constructor(target: UploadTarget) {
    this.#target = target;
    this.#buffers = target.wholes;
  }

  /** Copies all of the chunk; waits for a buffer, or for the server when one is full. */
  async write(chunk: Uint8Array): Promise<void> {
    if (chunk.byteLength === 0) return;
    if (this.#held + chunk.byteLength > wholeBytesMax) await this.#takePart();
    this.#buffer ??= await this.#buffers.take();
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
    this.#leaveBuffer();
    if (this.#uploadId === undefined) return;
    const { client, bucket: Bucket, key: Key } = this.#target;
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: this.#uploadId }));
  }

  /** It will be sent in parts: what there is of it goes on in a buffer for one. */
  async #takePart(): Promise<void> {
    const { parts, wholes } = this.#target;
    if (this.#buffers === parts) return;
    const part = await parts.take();
    if (this.#buffer) {
      this.#buffer.copy(part, 0, 0, this.#held);
      wholes.give(this.#buffer);
    }
    this.#buffer = part;
    this.#buffers = parts;
  }

  #leaveBuffer(): void {
    if (!this.#buffer) return;
    if (this.#sending) this.#buffers.discard();
    else this.#buffers.give(this.#buffer);
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
    return (this.#buffer ?? nothing).subarray(0, this.#held);
  }

  /** While a request, or one given up that its socket still sends, may read the buffer. */
  async #reading<T>(send: () => Promise<T>): Promise<T> {
    this.#sending = true;
    const answer = await send();
    this.#sending = false;
    return answer;
  }
}
