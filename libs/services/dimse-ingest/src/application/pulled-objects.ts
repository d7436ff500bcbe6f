import type { StoreAnswer, StoreRequest } from '@callosum/dimse';
import { errorCode, newId } from '@callosum/kernel';

import type { AnnounceRelease } from './announce-release.js';
import type { StoreInstance } from './store-instance.js';

/** What became of one object of a C-GET. */
export interface PulledObject {
  readonly pull: string;
  /** Title of the source. */
  readonly aet: string;
  readonly associationId: string;
  readonly sopInstanceUid: string;
  readonly answer: StoreAnswer;
  /** Stored; 0 of one that was refused. */
  readonly byteCount: number;
  readonly seconds: number;
  /** Why it was refused. */
  readonly error?: unknown;
}

export interface PulledObjectsParts {
  readonly storeInstance: StoreInstance;
  readonly announceRelease: AnnounceRelease;
  /** The status of an object that could not be stored. */
  readonly refusalOf: (error: unknown) => StoreAnswer;
  /** Logs and counts it: the source sees a number of failures, and nobody else would know why. */
  readonly observe: (object: PulledObject) => void;
}

/** Stores what one C-GET brings, as the C-STOREs of an association of its source. */
export class PulledObjects {
  readonly #associationId = newId();
  readonly #instanceCounts = new Map<string, number>();
  #refusal: string | undefined;

  constructor(
    private readonly parts: PulledObjectsParts,
    private readonly pull: string,
    private readonly aet: string,
  ) {}

  /** Why the first of those was refused that were. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  async store({ sopClassUid, sopInstanceUid, transferSyntaxUid, dataset }: StoreRequest): Promise<StoreAnswer> {
    const startedAt = performance.now();
    const told = (answer: StoreAnswer, byteCount: number, more: Pick<PulledObject, 'error'> = {}): StoreAnswer => {
      const { pull, aet } = this;
      const seconds = (performance.now() - startedAt) / 1_000;
      this.parts.observe({
        ...{ pull, aet, associationId: this.#associationId, sopInstanceUid, answer, byteCount, seconds },
        ...more,
      });
      return answer;
    };
    try {
      const ids = { associationId: this.#associationId, callingAet: this.aet };
      const object = { ...ids, sopClassUid, sopInstanceUid, transferSyntaxUid };
      const stored = await this.parts.storeInstance.execute(object, dataset as AsyncIterable<Uint8Array>);
      const { studyInstanceUid, byteCount } = stored;
      this.#instanceCounts.set(studyInstanceUid, (this.#instanceCounts.get(studyInstanceUid) ?? 0) + 1);
      return told({ status: 0 }, byteCount);
    } catch (error) {
      this.#refusal ??= errorCode(error);
      return told(this.parts.refusalOf(error), 0, { error });
    }
  }

  /** As a sender's release: the studies' quiet periods may be shorter. */
  async released(): Promise<void> {
    const instanceCounts = this.#instanceCounts;
    await this.parts.announceRelease.execute({
      ...{ associationId: this.#associationId, callingAet: this.aet },
      instanceCounts,
    });
  }
}
