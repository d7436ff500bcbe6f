import { failureReasonOf, failureReasons, type StoreResult } from '../domain/store-response.js';
import type { ObjectWriter, SopReference } from './ports/intake.js';

/** How many objects beyond the first of each request become durable at the same time, in the whole process. */
export class CommitTurns {
  #taken = 0;

  constructor(private readonly turnsMax: number) {}

  tryTake(): boolean {
    if (this.#taken >= this.turnsMax) return false;
    this.#taken++;
    return true;
  }

  give(): void {
    this.#taken--;
  }
}

interface InFlight {
  /** Undefined where the object cannot be named before it is whole. */
  readonly sopInstanceUid: string | undefined;
  readonly done: Promise<void>;
}

/**
 * The objects of one request on their way to being durable, and what became of them in the order they came. Bytes are
 * read one object after the other; while those behind are flushed and committed, the next are read: their rows share a
 * transaction then, and a request waits for one flush of a disk instead of one each. Objects of one SOP Instance UID go
 * in one after the other, so that the first stays the first (rule 2).
 */
export class CommitLine {
  readonly #results: (StoreResult | undefined)[] = [];
  readonly #inFlight = new Set<InFlight>();
  readonly #told = new WeakSet<object>();
  /** The first error that is a defect of ours. */
  #defect: Error | undefined;

  /**
   * @param inFlightMax objects of this request at the same time
   * @param tell hears of the first defect
   */
  constructor(
    private readonly inFlightMax: number,
    private readonly turns: CommitTurns,
    private readonly tell: (error: unknown) => void,
  ) {}

  get defect(): Error | undefined {
    return this.#defect;
  }

  /** Where in the answer an object stands. */
  place(): number {
    return this.#results.push(undefined) - 1;
  }

  /** What became of it is that it failed. Of defects the first is told: the others are most often the same. */
  fail(place: number, error: unknown, failed?: SopReference): void {
    const failureReason = failureReasonOf(error);
    if (typeof error === 'object' && error !== null) this.#told.add(error);
    this.#results[place] = { failureReason, ...(failed ? { failed } : {}) };
    if (failureReason !== failureReasons.processingFailure || this.#defect !== undefined) return;
    this.#defect = error instanceof Error ? error : new Error('something else than an error', { cause: error });
    this.tell(error);
  }

  /** True when an object failed with this very error. */
  hasFailedWith(error: unknown): boolean {
    return typeof error === 'object' && error !== null && this.#told.has(error);
  }

  /** Takes an object whose bytes are all written. Resolves when it is on its way, and the next may be read. */
  async commit(place: number, writer: ObjectWriter): Promise<void> {
    const named = writer.sopInstance();
    const giveBack = await this.#room(named?.sopInstanceUid);
    const done = this.#settle(place, writer, named).finally(() => {
      this.#inFlight.delete(one);
      giveBack();
    });
    const one: InFlight = { sopInstanceUid: named?.sopInstanceUid, done };
    this.#inFlight.add(one);
  }

  /** Waits for all that is on its way. @returns what became of each, in the order they came */
  async ended(): Promise<StoreResult[]> {
    while (this.#inFlight.size > 0) await Promise.all([...this.#inFlight].map(({ done }) => done));
    return this.#results.filter((result) => result !== undefined);
  }

  async #room(sopInstanceUid: string | undefined): Promise<() => void> {
    for (;;) {
      const flying = [...this.#inFlight];
      const before = flying.find(
        (one) =>
          sopInstanceUid === undefined || one.sopInstanceUid === undefined || one.sopInstanceUid === sopInstanceUid,
      );
      if (before) await before.done;
      else if (flying.length === 0) return () => undefined;
      else if (flying.length < this.inFlightMax && this.turns.tryTake()) return () => this.turns.give();
      else await Promise.race(flying.map(({ done }) => done));
    }
  }

  /** Never rejects: what fails is a result too. */
  async #settle(place: number, writer: ObjectWriter, named: SopReference | undefined): Promise<void> {
    try {
      this.#results[place] = { stored: await writer.commit() };
    } catch (error) {
      this.fail(place, error, named);
    }
  }
}
