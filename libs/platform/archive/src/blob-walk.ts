import type { ObjectStore } from '@callosum/object-store';

import { dayOf } from './blob-key.js';

/** Keys handed on at once. */
const pageKeys = 500;
/** Older days are looked at until it took about so many requests of S3. A day begun is looked at whole. */
const olderRequestsMax = 100;
/** What S3 lists with one request. */
const requestKeys = 1_000;
const dayMs = 24 * 3_600_000;

const dayFolder = (time: number): string => new Date(time).toISOString().slice(0, 10);

/** A round of a walk: the keys, and afterwards whose days were looked at. */
export interface WalkRound {
  readonly pages: AsyncIterable<readonly string[]>;
  /** True for a key whose day this round has listed. */
  looked(key: string): boolean;
}

/**
 * The blobs of a site in rounds that cost as much when the bucket is years old: each lists the days around `before`, where
 * what a crash left comes of age, and some of the days before those, further back from round to round until the oldest,
 * then from the youngest again. After a start it goes back from now: what a restored database does not know lies there.
 */
export class BlobWalk {
  /** The older day that is listed next, as a time in it; from the youngest when undefined. */
  #next: number | undefined;

  constructor(
    private readonly store: Pick<ObjectStore, 'list'>,
    private readonly site: string,
    private readonly olderRequests = olderRequestsMax,
  ) {}

  /** @param before younger blobs are passed over, by the store's clock */
  round(before: Date): WalkRound {
    const days = new Set<string>();
    return { pages: this.#pages(before, days), looked: (key) => days.has(dayOf(key)) };
  }

  async *#pages(before: Date, days: Set<string>): AsyncGenerator<readonly string[]> {
    // A writer's clock names the day, and may be off: the day after, too.
    const recent = [1, 0, -1].map((days) => before.getTime() + days * dayMs);
    for (const time of recent) yield* this.#day(time, before, days);
    const youngest = before.getTime() - 2 * dayMs;
    const oldest = await this.#oldestDay();
    let requests = 0;
    for (let time = this.#next ?? youngest; oldest !== undefined && requests < this.olderRequests; time -= dayMs) {
      if (dayFolder(time) < oldest) {
        this.#next = undefined;
        return;
      }
      let keys = 0;
      for await (const page of this.#day(time, before, days)) {
        keys += page.length;
        yield page;
      }
      requests += Math.max(1, Math.ceil(keys / requestKeys));
      this.#next = time - dayMs;
    }
  }

  async *#day(time: number, before: Date, days: Set<string>): AsyncGenerator<readonly string[]> {
    const day = dayFolder(time);
    let keys: string[] = [];
    for await (const { key, modifiedAt } of this.store.list(`${this.site}/blobs/${day}/`)) {
      if (modifiedAt >= before) continue;
      keys.push(key);
      if (keys.length < pageKeys) continue;
      yield keys;
      keys = [];
    }
    days.add(day);
    if (keys.length > 0) yield keys;
  }

  /** Keys come in their order, so the first one names it; undefined for a site without blobs. */
  async #oldestDay(): Promise<string | undefined> {
    for await (const { key } of this.store.list(`${this.site}/blobs/`)) return dayOf(key);
    return undefined;
  }
}
