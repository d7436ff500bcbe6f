import type { ObjectStore, StoredObject } from '@callosum/object-store';

import { ByteChannel } from './byte-channel.js';
import { TruncatedObjectError } from './errors.js';
import { type Expected, InstanceBytes, type SopReference, type WrittenInstance } from './instance-bytes.js';

/** Writes the PS3.10 bytes of one object as they come, in bounded memory, and knows its UIDs when it has ended. */
export class InstanceStream {
  readonly #channel = new ByteChannel();
  readonly #put: Promise<StoredObject>;
  readonly #bytes = new InstanceBytes();

  constructor(
    private readonly store: ObjectStore,
    private readonly key: string,
  ) {
    this.#put = store.put(key, this.#channel, () => this.#bytes.datasetFrom());
    // Looked at when the stream ends; a failure in between must not end the process.
    this.#put.catch(() => this.#channel.end());
  }

  /** Resolves when more may be written. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#bytes.take(bytes);
    await this.#channel.write(bytes);
  }

  sopInstance(): SopReference | undefined {
    return this.#bytes.sopInstance();
  }

  async abort(): Promise<void> {
    this.#channel.fail(new TruncatedObjectError());
    await this.#put.then(
      () => this.store.delete(this.key),
      () => undefined,
    );
  }

  /**
   * The blob is durable when this resolves.
   * @throws {DicomParseError} @throws {TruncatedObjectError} @throws {MissingUidError} @throws {UidMismatchError}
   * @throws {ObjectStoreUnavailableError} and what `expected.assert` throws
   */
  async finish(expected: Expected): Promise<WrittenInstance> {
    this.#channel.end();
    const blob = await this.#put;
    try {
      return await this.#bytes.describe(this.store, blob, expected);
    } catch (error) {
      // A blob that stays is the sweeper's; the sender has to hear what is wrong with its object.
      await this.store.delete(this.key).catch(() => undefined);
      throw error;
    }
  }
}
