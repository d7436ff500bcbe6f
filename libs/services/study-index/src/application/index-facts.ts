import type { StoredInstance } from '../domain/instance.js';
import { maySpeakOfOthers } from '../domain/rejection-note.js';
import type { QuietPeriods } from '../domain/study.js';
import type { Fact, FactStore } from './facts.js';
import { indexInstance, type IndexOutcome, type IndexTransaction } from './index-instance.js';
import { indexTogether, type TogetherRecord } from './index-together.js';
import type { ObeyNote } from './obey-note.js';
import { type BlobReader, headerBytesOf, type HeaderMemory, readShown } from './read-instance.js';
import type { ShownInstances } from './withholdings.js';

/** A fact that says that an instance is stored, and what the archive shows. */
export interface StoredFact {
  readonly fact: Fact;
  readonly stored: StoredInstance;
  /** See `advance`. */
  readonly revisionFloor: number;
}

/** One whose object is read. */
interface FoundFact extends Fact, TogetherRecord {}

export interface IndexFactsParts {
  readonly facts: FactStore;
  readonly blobs: BlobReader & ShownInstances;
  readonly periods: QuietPeriods;
  readonly obeyNote: ObeyNote;
  readonly memory: HeaderMemory;
  /** Told where the archive shows it no more. */
  readonly onGone: (stored: StoredInstance) => void;
  readonly onIndexed: (stored: StoredInstance, outcome: IndexOutcome | 'known') => void;
}

/** Memory of the headers of facts that are indexed together: others, of other studies, have theirs beside it. */
const togetherBytesMax = 64 * 1024 * 1024;

/** Indexes what facts say is stored. Headers are read before the transaction begins: no lock waits for the object store. */
export class IndexFacts {
  constructor(private readonly parts: IndexFactsParts) {}

  /** @param facts of one study, in their order @throws {NotTogetherError} when they have to come one by one */
  async index(facts: readonly StoredFact[]): Promise<void> {
    for (const some of inRuns(facts)) {
      const byteCount = some.reduce((sum, { stored }) => sum + headerBytesOf(stored), 0);
      // What is read is held until it is written.
      await this.parts.memory.hold(byteCount, () => this.#index(some));
    }
  }

  async #index(facts: readonly StoredFact[]): Promise<void> {
    const read = await Promise.allSettled(facts.map((one) => this.#read(one)));
    const found = read.flatMap((one) => {
      if (one.status === 'rejected') throw one.reason;
      return one.value;
    });
    for (const { record } of found) await this.parts.obeyNote(record);
    if (found.length === 0) return;
    const outcomes = await this.parts.facts.onceOf(found, (index, fresh) => this.#write(index, fresh));
    for (const { id, record } of found) this.parts.onIndexed(record, outcomes.get(id) ?? 'known');
  }

  async #read({ fact, stored, revisionFloor }: StoredFact): Promise<readonly FoundFact[]> {
    const record = await readShown(this.parts.blobs, stored);
    if (record) return [{ ...fact, record, revisionFloor }];
    this.parts.onGone(stored);
    return [];
  }

  /** @returns by id what became of each */
  async #write(index: IndexTransaction, facts: readonly FoundFact[]): Promise<ReadonlyMap<string, IndexOutcome>> {
    const { periods } = this.parts;
    const [first, ...others] = facts;
    if (!first) return new Map();
    if (others.length === 0)
      return new Map([[first.id, await indexInstance(index, first.record, periods, first.revisionFloor)]]);
    const outcomes = await indexTogether(index, facts, periods);
    return new Map(facts.map(({ id }, at) => [id, outcomes[at] ?? 'indexed']));
  }
}

/** Facts in their order, as many together as memory is had for; what may hide others goes alone, when they are indexed. */
function inRuns(facts: readonly StoredFact[]): StoredFact[][] {
  const runs: StoredFact[][] = [];
  let held = 0;
  for (const one of facts) {
    const byteCount = headerBytesOf(one.stored);
    const run = runs.at(-1);
    const goesOn = run && ![one, ...run.slice(-1)].some(({ stored }) => maySpeakOfOthers(stored));
    if (goesOn && held + byteCount <= togetherBytesMax) {
      run.push(one);
      held += byteCount;
    } else {
      runs.push([one]);
      held = byteCount;
    }
  }
  return runs;
}
