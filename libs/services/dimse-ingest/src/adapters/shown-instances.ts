import type { Archive } from '@callosum/archive';

import type {
  CurrentInstances,
  IndexMatch,
  IndexSearch,
  LocatedInstance,
  QueryIndex,
  StudyPart,
} from '../application/query-ports.js';

/** Instances of one question to the archive. */
const askedAtOnce = 500;

/**
 * The index, without what the archive has hidden and the index was not told of yet: a retrieve sends nothing of it. What is
 * hidden or corrected while one runs, the archive alone says.
 */
export class ShownInstances implements QueryIndex, CurrentInstances {
  constructor(
    private readonly index: QueryIndex,
    private readonly archive: Pick<Archive, 'locate'> & {
      readonly tombstones: Pick<Archive['tombstones'], 'withheldAmong'>;
    },
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

  async now(studyInstanceUid: string, sopInstanceUids: readonly string[]): Promise<LocatedInstance[]> {
    const entries = await this.archive.locate({ studyInstanceUid, sopInstanceUids });
    return entries.map((entry) => ({
      studyInstanceUid,
      seriesInstanceUid: entry.series_instance_uid,
      sopInstanceUid: entry.sop_instance_uid,
      sopClassUid: entry.sop_class_uid,
      transferSyntaxUid: entry.transfer_syntax_uid,
      blobKey: entry.blob_key,
    }));
  }

  async #shown({ studyInstanceUid }: StudyPart, instances: readonly LocatedInstance[]): Promise<LocatedInstance[]> {
    const uids = instances.map(({ sopInstanceUid }) => sopInstanceUid);
    const withheld = await this.archive.tombstones.withheldAmong(studyInstanceUid, uids);
    return instances.filter(({ sopInstanceUid }) => !withheld.has(sopInstanceUid));
  }
}
