import { createInflateRaw, type InflateRaw } from 'node:zlib';

import { defaultParseLimits, transferSyntaxOf } from '@callosum/dicom';

import { DatasetScanner, type DatasetUids } from '../domain/dataset-scanner.js';
import { UnreadableDatasetError } from '../domain/errors.js';

/** Watches a dataset go by, in any transfer syntax. */
export interface DatasetInspection {
  /** @throws {UnreadableDatasetError} */
  write(bytes: Uint8Array): Promise<void>;
  /** @throws {UnreadableDatasetError} it is not whole */
  end(): Promise<DatasetUids>;
  /** Lets go of what it holds; after `end` nothing. */
  close(): void;
}

export function inspectDataset(transferSyntaxUid: string): DatasetInspection {
  const { implicitVr, bigEndian, deflated } = transferSyntaxOf(transferSyntaxUid);
  const scanner = new DatasetScanner({ implicitVr, bigEndian });
  if (deflated) return new DeflatedInspection(scanner);
  return {
    write: (bytes) => {
      scanner.write(bytes);
      return Promise.resolve();
    },
    end: () => {
      scanner.end();
      return Promise.resolve(scanner.uids);
    },
    close: () => undefined,
  };
}

/** A deflated dataset (PS3.5 section A.5), inflated piece by piece and thrown away. */
class DeflatedInspection implements DatasetInspection {
  readonly #inflate: InflateRaw = createInflateRaw();
  #inflatedBytes = 0;
  #failure: unknown;

  constructor(private readonly scanner: DatasetScanner) {
    this.#inflate.on(
      'error',
      (cause) => (this.#failure ??= new UnreadableDatasetError('the dataset cannot be inflated', { cause })),
    );
    this.#inflate.on('data', (bytes: Buffer) => this.#scan(bytes));
  }

  async write(bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => this.#inflate.write(bytes, () => resolve()));
    if (this.#failure !== undefined) throw this.#failure as Error;
  }

  async end(): Promise<DatasetUids> {
    await new Promise<void>((resolve) => {
      this.#inflate.once('close', resolve);
      this.#inflate.end();
    });
    if (this.#failure !== undefined) throw this.#failure as Error;
    this.scanner.end();
    return this.scanner.uids;
  }

  close(): void {
    this.#inflate.destroy();
  }

  #scan(bytes: Buffer): void {
    if (this.#failure !== undefined) return;
    this.#inflatedBytes += bytes.length;
    try {
      // Past this no reader of ours takes it.
      if (this.#inflatedBytes > defaultParseLimits.inflatedBytesMax)
        throw new UnreadableDatasetError('the dataset inflates past its limit');
      this.scanner.write(bytes);
    } catch (error) {
      this.#failure = error;
      this.#inflate.destroy();
    }
  }
}
