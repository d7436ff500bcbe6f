import type { imaging } from '@callosum/contracts';
import { isUid } from '@callosum/kernel';

import { TooManySearchesError } from '../domain/errors/search.js';
import { Places } from './places.js';
import type { FoundRows, StudyIndexReader } from './ports/index.js';
import type { RecentBlobs } from './ports/recent.js';
import { WaitedInVain } from './waited-in-vain.js';

export interface SearchLimits {
  /** Requests at once: each holds what is found until it is known whether there is more. */
  readonly requestsMax: number;
  /** Milliseconds that a search within a study waits for what came of it just now. */
  readonly indexWaitMs: number;
}

/** What a search found. */
export interface Matches {
  /** In the order of the search: a list of all, or those behind the first are looked for while they are taken. */
  readonly rows: AsyncIterable<imaging.SearchRow> | readonly imaging.SearchRow[];
  readonly isEmpty: boolean;
  /** There are more than were asked for; never of none, which cuts nobody short. */
  readonly hasMore: boolean;
  /** Keys that were not matched or are not returned. */
  readonly unsupportedKeys: readonly string[];
  /** Instances of the study that came just now and could not be searched yet. */
  readonly notIndexed: number;
}

/** Answers are held up to here, and what is longer is sent while it is found: metadata is up to megabytes an instance. */
const heldCharactersMax = 1024 * 1024;
/** What came before is indexed, or will not be for long: nobody waits for that. A slow upload of one object takes less. */
const recentMs = 15 * 60_000;
/** Blobs that are waited for at once; of more the newest, which are indexed last. */
const awaitedMax = 1_000;
/** Requests that wait at once: each asks the index again and again, on connections that indexing needs. More look once. */
const waitingMax = 32;

/** QIDO-RS (PS3.18 10.6) over the index, in bounded memory. */
export class SearchMatches {
  readonly #places: Places;
  #waiting = 0;
  /** These are only looked for. */
  readonly #vain = new WaitedInVain();

  constructor(
    private readonly index: StudyIndexReader,
    private readonly archive: RecentBlobs,
    private readonly limits: SearchLimits,
  ) {
    this.#places = new Places(limits.requestsMax);
  }

  /**
   * One request more.
   * @param asker as of {@link Places}
   * @returns what ends it
   * @throws {TooManySearchesError}
   */
  begin(asker: string | undefined): () => void {
    const leave = this.#places.take(asker);
    if (!leave) throw new TooManySearchesError();
    return leave;
  }

  /**
   * Finds `request.limit` matches at most, and whether there are more. A search within one study waits for what was
   * stored of it just now, so that whoever stores and asks finds it.
   * @param signal ends the search, and its statements in the database
   * @throws {BadRequestError} {TooLargeError} {IndexUnavailableError}
   */
  async find(request: imaging.SearchRequest, signal: AbortSignal): Promise<Matches> {
    const notIndexed = await this.#waitFor(request, signal);
    const { limit } = request;
    // One more than is answered: whether there are more is only known when one is seen.
    const batches = this.index.search({ ...request, limit: limit + 1 }, signal)[Symbol.asyncIterator]();
    const held: imaging.SearchRow[] = [];
    let unsupportedKeys: readonly string[] = [];
    let characters = 0;
    let ended = false;
    // To its end, though all be there: a question that is broken off costs a reset, and a connection takes some dozens a second.
    while (characters <= heldCharactersMax) {
      const batch = await batches.next();
      if (batch.done === true) {
        ended = true;
        break;
      }
      ({ unsupportedKeys } = batch.value);
      for (const row of batch.value.rows) {
        held.push(row);
        characters += row.dicomJson.length;
      }
    }
    const said = { isEmpty: held.length === 0 || limit === 0, unsupportedKeys, notIndexed };
    if (limit === 0) {
      await batches.return?.(undefined);
      return { rows: [], hasMore: false, ...said };
    }
    if (ended) return { rows: held.slice(0, limit), hasMore: held.length > limit, ...said };
    const hasMore = held.length > limit || (await this.#isMore(request, signal));
    return { rows: following(held, batches, limit), hasMore, ...said };
  }

  /** Whether something matches behind the last that is answered, which has to be said before the first is sent. */
  async #isMore(request: imaging.SearchRequest, signal: AbortSignal): Promise<boolean> {
    const behind = { offset: request.offset + request.limit, limit: 1 };
    // Of what is found nothing is needed.
    const nothing = { includeAll: false, includeTags: [], onlyRequested: true };
    let isMore = false;
    for await (const { rows } of this.index.search({ ...request, ...behind, ...nothing }, signal))
      isMore ||= rows.length > 0;
    return isMore;
  }

  /** @returns how many instances are not indexed after that */
  async #waitFor(request: imaging.SearchRequest, signal: AbortSignal): Promise<number> {
    const study = studyOf(request);
    if (study === undefined || this.limits.indexWaitMs === 0) return 0;
    const blobKeys = await this.archive.recentBlobs(study, recentMs, awaitedMax);
    const vain = new Set(blobKeys.filter((key) => this.#vain.has(key)));
    const awaited = blobKeys.filter((key) => !vain.has(key));
    let notIndexed = 0;
    if (vain.size > 0) notIndexed += (await this.index.awaitIndexed(study, [...vain], 0, signal)).size;
    if (awaited.length === 0) return notIndexed;
    const isOneTooMany = this.#waiting >= waitingMax;
    this.#waiting++;
    try {
      const waitMs = isOneTooMany ? 0 : this.limits.indexWaitMs;
      const missing = await this.index.awaitIndexed(study, awaited, waitMs, signal);
      if (!isOneTooMany) this.#vain.remember(missing);
      return notIndexed + missing.size;
    } finally {
      this.#waiting--;
    }
  }
}

const studyInstanceUid = '0020000D';

/** The one study that is searched; undefined when there are others, or what is asked for is no UID. */
function studyOf({ matches }: imaging.SearchRequest): string | undefined {
  const asked = new Set(matches.filter(({ tag }) => tag === studyInstanceUid).map(({ value }) => value.trim()));
  const [study] = asked;
  return asked.size === 1 && study !== undefined && isUid(study) ? study : undefined;
}

async function* following(
  held: readonly imaging.SearchRow[],
  batches: AsyncIterator<FoundRows>,
  limit: number,
): AsyncGenerator<imaging.SearchRow> {
  try {
    yield* held.slice(0, limit);
    for (let left = Math.max(0, limit - held.length); ;) {
      const batch = await batches.next();
      if (batch.done === true) return;
      const rows = batch.value.rows.slice(0, left);
      left -= rows.length;
      yield* rows;
    }
  } finally {
    await batches.return?.();
  }
}
