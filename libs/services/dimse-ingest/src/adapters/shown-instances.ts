import type { Archive } from '@callosum/archive';

import type { IndexMatch, IndexSearch, LocatedInstance, QueryIndex, StudyPart } from '../application/query-ports.js';

/** Instances of one question to the archive. */
const askedAtOnce = 500;

/** The index, without what the archive has hidden and the index was not told of yet: a retrieve sends nothing of it. */
export class ShownInstances implements QueryIndex {
  constructor(
    private readonly index: QueryIndex,
    private readonly tombstones: Pick<Archive['tombstones'], 'withheldAmong'>,
  ) {}

  search(search: IndexSearch, signal: AbortSignal): AsyncIterable<IndexMatch> {
    return this.index.search(search, signal);
  }

  async *instances(part: StudyPart, signal: AbortSignal): AsyncGenerator<LocatedInstance> {
    let asked: LocatedInstance[] = [];
    for await (const instance of this.index.instances(part, signal)) {
      asked.push(instance);
      if (asked.length < askedAtOnce) continue;
      yield* await this.#shown(part, asked);
      asked = [];
    }
    yield* await this.#shown(part, asked);
  }

  async #shown({ studyInstanceUid }: StudyPart, instances: readonly LocatedInstance[]): Promise<LocatedInstance[]> {
    const uids = instances.map(({ sopInstanceUid }) => sopInstanceUid);
    const withheld = await this.tombstones.withheldAmong(studyInstanceUid, uids);
    return instances.filter(({ sopInstanceUid }) => !withheld.has(sopInstanceUid));
  }
}
