import type { Readable } from 'node:stream';

/** An object as it lies: bytes in all, and the digest its writer computed when it was written by `put`. */
export interface StoredObject {
  readonly key: string;
  readonly byteCount: number;
  /** Lower-case hex SHA-256 of the bytes. */
  readonly sha256: string;
  /** The same of what lies from the offset on that `put` was told of; not where it was told of none. */
  readonly tailSha256?: string;
}

/**
 * From which byte on a second digest counts: asked while the object is written, until it is known. It is known with the chunk
 * that it lies in at the latest; it may lie behind the object's end.
 */
export type TailFrom = () => number | undefined;

export interface ObjectInfo {
  readonly key: string;
  readonly byteCount: number;
  readonly modifiedAt: Date;
}

export interface ByteRange {
  /** First byte. */
  readonly offset: number;
  /** Bytes to read; to the end when absent. */
  readonly length?: number;
}

/**
 * Where blobs are kept. Two adapters (files, S3), one contract suite.
 * Objects are written once and never overwritten. Keys are relative paths with forward slashes; the site's prefix is
 * the caller's business.
 */
export interface ObjectStore {
  /**
   * Writes an object from a stream. Resolves only when it is durable; on any failure, also of the source, nothing
   * becomes visible under the key.
   * @throws {InvalidKeyError} @throws {ObjectExistsError} @throws {ObjectStoreUnavailableError} disk full, server away
   */
  put(key: string, source: AsyncIterable<Uint8Array>, tailFrom?: TailFrom): Promise<StoredObject>;
  /**
   * What is read may wait, for other bytes to be sent or for codecs: nothing that befalls it meanwhile ends the process, and
   * whoever reads on gets the rest, or the error.
   * @param signal gives up: rejects with its reason, or destroys what is being read
   * @throws {ObjectNotFoundError} @throws {ObjectStoreUnavailableError}
   */
  get(key: string, range?: ByteRange, signal?: AbortSignal): Promise<Readable>;
  /** @throws {ObjectNotFoundError} @throws {ObjectStoreUnavailableError} */
  head(key: string): Promise<ObjectInfo>;
  /** Idempotent: deleting what is not there succeeds. */
  delete(key: string): Promise<void>;
  /**
   * Objects whose key begins with `prefix`, in the order of their keys' bytes.
   * @param after only keys behind this one, which need not exist: what lies before it is not looked at
   */
  list(prefix: string, after?: string): AsyncIterable<ObjectInfo>;
  /**
   * Removes what uploads of the prefix left that never ended, because their process was killed: staged files, parts
   * of multipart uploads. Only what nobody has written to since `before`: other replicas' uploads may be under way.
   * @param signal ends it early, with the signal's reason
   * @returns how many
   */
  sweepUnfinished(prefix: string, before: Date, signal?: AbortSignal): Promise<number>;
  /** Free space in bytes, where the adapter knows of one. */
  freeBytes?(): Promise<number>;
  /** Rejects when objects cannot be written now. @throws {ObjectStoreFullError} when they can still be read */
  ping(): Promise<void>;
}
