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

/**
 * A deflated dataset (PS3.5 section A.5), inflated piece by piece and thrown away. Behind its last block a byte of
 * padding may follow, and is not looked at.
 */
class DeflatedInspection implements DatasetInspection {
  readonly #inflate: InflateRaw = createInflateRaw();
  #inflatedBytes = 0;
  #failure: unknown;
  /** Nothing more comes out: its last block has been read, or it failed. */
  #isOver = false;
  #onOver: (() => void) | undefined;

  constructor(private readonly scanner: DatasetScanner) {
    this.#inflate.on('error', (cause) => {
      this.#failure ??= new UnreadableDatasetError('the dataset cannot be inflated', { cause });
      this.#over();
    });
    this.#inflate.on('data', (bytes: Buffer) => this.#scan(bytes));
    // zlib never calls back for a write that fails, nor for one that holds more than the last block.
    for (const event of ['end', 'close']) this.#inflate.on(event, () => this.#over());
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#unlessOver((done) => this.#inflate.write(bytes, () => done()));
  }

  async end(): Promise<DatasetUids> {
    await this.#unlessOver(() => this.#inflate.end());
    this.scanner.end();
    return this.scanner.uids;
  }

  /** Resolves when `work` says so, and whatever it says once all is over. */
  async #unlessOver(work: (done: () => void) => void): Promise<void> {
    if (!this.#isOver)
      await new Promise<void>((resolve) => {
        this.#onOver = resolve;
        work(resolve);
      });
    if (this.#failure !== undefined) throw this.#failure as Error;
  }

  #over(): void {
    this.#isOver = true;
    this.#onOver?.();
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
