import { createInflateRaw, type InflateRaw } from 'node:zlib';

import { defaultParseLimits, loopTurns, stepsOfTurn, transferSyntaxOf } from '@callosum/dicom';

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
  const scan = new PacedScan(new DatasetScanner({ implicitVr, bigEndian }));
  if (deflated) return new DeflatedInspection(scan);
  return {
    write: (bytes) => scan.write(bytes, 0),
    end: () => {
      scan.scanner.end();
      return Promise.resolve(scan.scanner.uids);
    },
    close: () => undefined,
  };
}

/** Looked at without a break: not more than `stepsOfTurn` elements of eight bytes. */
const pieceBytes = 8 * stepsOfTurn;

/**
 * A scan that stands in line with all others of the process where it costs much: objects that are made of elements, or
 * inflate to very much, do not keep the event loop from those that are made of pixels.
 */
class PacedScan {
  #costs = 0;
  #paidSteps = 0;

  constructor(readonly scanner: DatasetScanner) {}

  /**
   * @param steps what the bytes cost beside their elements
   * @throws {UnreadableDatasetError}
   */
  async write(bytes: Uint8Array, steps: number): Promise<void> {
    this.#costs += steps;
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      this.scanner.write(bytes.subarray(at, at + pieceBytes));
      if (this.#costs + this.scanner.steps - this.#paidSteps < stepsOfTurn) continue;
      this.#costs = 0;
      this.#paidSteps = this.scanner.steps;
      await loopTurns.next();
    }
  }
}

/** A mebibyte is inflated at the cost of a turn. */
const inflatedBytesOfStep = 256;

/**
 * A deflated dataset (PS3.5 section A.5), inflated piece by piece and thrown away. Behind its last block a byte of
 * padding may follow, and is not looked at.
 */
class DeflatedInspection implements DatasetInspection {
  readonly #inflate: InflateRaw = createInflateRaw({ chunkSize: pieceBytes });
  #failure: unknown;
  /** Nothing more comes out: its last block has been read, or it failed. */
  #isOver = false;
  #onOver: (() => void) | undefined;

  constructor(private readonly scan: PacedScan) {
    void this.#read();
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#unlessOver((done) => this.#inflate.write(bytes, () => done()));
  }

  async end(): Promise<DatasetUids> {
    await this.#unlessOver(() => this.#inflate.end());
    const { scanner } = this.scan;
    scanner.end();
    return scanner.uids;
  }

  close(): void {
    this.#inflate.destroy();
  }

  /** Resolves when `work` says so, and whatever it says once all is over: zlib takes nothing behind the last block. */
  async #unlessOver(work: (done: () => void) => void): Promise<void> {
    if (!this.#isOver)
      await new Promise<void>((resolve) => {
        this.#onOver = resolve;
        work(resolve);
      });
    if (this.#failure !== undefined) throw this.#failure as Error;
  }

  /** What comes out waits until it has been looked at, and so does what goes in. */
  async #read(): Promise<void> {
    let inflatedBytes = 0;
    try {
      for await (const bytes of this.#inflate as AsyncIterable<Buffer>) {
        inflatedBytes += bytes.length;
        // Past this no reader of ours takes it.
        if (inflatedBytes > defaultParseLimits.inflatedBytesMax)
          throw new UnreadableDatasetError('the dataset inflates past its limit');
        await this.scan.write(bytes, bytes.length / inflatedBytesOfStep);
      }
    } catch (cause) {
      this.#failure =
        cause instanceof UnreadableDatasetError
          ? cause
          : new UnreadableDatasetError('the dataset cannot be inflated', { cause });
    } finally {
      this.#isOver = true;
      this.#onOver?.();
    }
  }
}
