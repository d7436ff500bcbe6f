import { recordBytesOf, type StoredInstance } from '../domain/instance.js';
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

/** Memory of the headers of facts that are read side by side: others, of other studies, have theirs beside it. */
const sideBySideBytesMax = 64 * 1024 * 1024;
/**
 * Of what is read and waits for the rest of its run, as text: it takes some ten times that in memory, for each of the partitions
 * that are handled at once. Hundreds of slices fit. What takes more is written while its memory is held.
 */
const gatheredBytesMax = 1024 * 1024;

/** Indexes what facts say is stored. Headers are read before the transaction begins: no lock waits for the object store. */
export class IndexFacts {
  constructor(private readonly parts: IndexFactsParts) {}

  /** @param facts of one study, in their order @throws {NotTogetherError} when they have to come one by one */
  async index(facts: readonly StoredFact[]): Promise<void> {
    const gathered: FoundFact[] = [];
    let gatheredBytes = 0;
    const write = (): Promise<void> => {
      gatheredBytes = 0;
      return this.#writeAll(gathered.splice(0));
    };
    for (const some of sideBySide(facts)) {
      const goesAlone = some.some(({ stored }) => maySpeakOfOthers(stored));
      if (goesAlone) await write();
      // How long a header is, is known when it is read: until then it may be all of its object.
      const byteCount = some.reduce((sum, { stored }) => sum + headerBytesOf(stored), 0);
      await this.parts.memory.hold(byteCount, async () => {
        for (const found of await this.#readAll(some)) {
          gathered.push(found);
          gatheredBytes += recordBytesOf(found.record);
        }
        if (goesAlone || gatheredBytes > gatheredBytesMax) await write();
      });
    }
    await write();
  }

  async #readAll(facts: readonly StoredFact[]): Promise<FoundFact[]> {
    const read = await Promise.allSettled(facts.map((one) => this.#read(one)));
    const found = read.flatMap((one) => {
      if (one.status === 'rejected') throw one.reason;
      return one.value;
    });
    for (const { record } of found) await this.parts.obeyNote(record);
    return found;
  }

  async #writeAll(found: readonly FoundFact[]): Promise<void> {
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

/** Facts in their order, as many together as memory is had for to read; what may hide others goes alone. */
function sideBySide(facts: readonly StoredFact[]): StoredFact[][] {
  const lists: StoredFact[][] = [];
  let held = 0;
  for (const one of facts) {
    const byteCount = headerBytesOf(one.stored);
    const list = lists.at(-1);
    const goesOn = list && ![one, ...list.slice(-1)].some(({ stored }) => maySpeakOfOthers(stored));
    if (goesOn && held + byteCount <= sideBySideBytesMax) {
      list.push(one);
      held += byteCount;
    } else {
      lists.push([one]);
      held = byteCount;
    }
  }
  return lists;
}
