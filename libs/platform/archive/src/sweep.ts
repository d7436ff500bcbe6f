import type { Clock } from '@callosum/kernel';
import { ObjectNotFoundError, type ObjectStore } from '@callosum/object-store';
import type { Logger } from '@callosum/telemetry';

import { ArrivalOrder } from './arrival-order.js';
import { readBlobKey } from './blob-key.js';
import { BlobWalk, type WalkRound } from './blob-walk.js';
import { SweepRefusedError } from './errors.js';
import { describeBlob } from './instance-bytes.js';
import type { Ledger } from './ledger.js';
import { unreadable } from './reconcile.js';
import type { RuleTwo } from './rule-two.js';

/** Blobs without a row that one sweep looks at, and that are remembered over all of them; the rest waits. */
const sweptMax = 100_000;
/** An outage of the database under load leaves about so many; more than that must be fewer than the kept ones. */
const orphansExpectedMax = 10_000;

/** Keys asked of the ledger with one statement. */
const askedAtOnce = 500;

export interface SweepParts {
  readonly store: ObjectStore;
  readonly ledger: Ledger;
  readonly rule: RuleTwo;
  readonly site: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Removes what was written and never acknowledged. A blob without a row is not proof of that: the database may have
 * been restored from a backup that is older than the blob. So only what cannot have been acknowledged goes (no readable
 * object), and what is kept under another name already; a whole object that the ledger does not know stays, and is
 * told of until a person recovers it. A sweep is a round of a walk (BlobWalk): what is young is looked at each time.
 */
export class Sweep {
  /**
   * Found whole and unknown before, so that each sweep need not read them again, and asked of the ledger anew each time.
   * At most `sweptMax` over all rounds; while it is full no other blob is read, or removed: it is the rows that are missing.
   */
  readonly #unknown = new Set<string>();
  #found: number | undefined;

  readonly #walk: BlobWalk;

  constructor(
    private readonly parts: SweepParts,
    private readonly rememberedMax = sweptMax,
  ) {
    this.#walk = new BlobWalk(parts.store, parts.site);
  }

  /** Blobs without a row that stay, as the last sweep found, from `sweptMax` on at least so many; undefined before the first one ended. */
  get unknownBlobs(): number | undefined {
    return this.#found;
  }

  /**
   * @param ageMs younger blobs and uploads may be under way
   * @param signal ends it early, with the signal's reason
   * @returns how many blobs were deleted
   * @throws {SweepRefusedError} when the blobs without a row are so many that it is the rows that are missing
   */
  async run(ageMs: number, signal?: AbortSignal): Promise<number> {
    const { store, site, clock, logger } = this.parts;
    const before = new Date(clock.now().getTime() - ageMs);
    const unfinished = await store.sweepUnfinished(`${site}/`, before, signal);
    if (unfinished > 0) logger.info({ unfinished }, 'archive.uploads-swept');
    const round = this.#walk.round(before);
    const orphans = await this.#orphans(round, signal);
    let deleted = 0;
    let order: ArrivalOrder | undefined;
    for (const key of orphans) {
      signal?.throwIfAborted();
      if (this.#unknown.has(key) || this.#unknown.size >= this.rememberedMax) continue;
      order ??= await ArrivalOrder.read(store, site);
      if (!(await this.#isNeedless(key, order))) {
        this.#unknown.add(key);
        continue;
      }
      await store.delete(key);
      deleted++;
    }
    for (const key of this.#unknown) if (round.looked(key) && !orphans.has(key)) this.#unknown.delete(key);
    await this.#forgetRecovered();
    this.#found = this.#unknown.size;
    if (this.#unknown.size > 0) logger.warn({ blobs: this.#unknown.size }, 'archive.unknown-blobs');
    return deleted;
  }

  /** What a reconciliation gave a row: the walk may come round to its day after weeks, and an alert stands that long. */
  async #forgetRecovered(): Promise<void> {
    const keys = [...this.#unknown];
    for (let at = 0; at < keys.length; at += askedAtOnce)
      for (const key of await this.parts.ledger.named(keys.slice(at, at + askedAtOnce))) this.#unknown.delete(key);
  }

  async #orphans({ pages }: WalkRound, signal?: AbortSignal): Promise<ReadonlySet<string>> {
    const orphans = new Set<string>();
    let named = 0;
    for await (const keys of pages) {
      signal?.throwIfAborted();
      const known = await this.parts.ledger.named(keys);
      named += known.size;
      for (const key of keys) if (!known.has(key)) orphans.add(key);
      if (orphans.size >= sweptMax) break;
    }
    // On a quiet day the only blob may be one that a crash left.
    const isLost = orphans.size > 0 && named === 0 && (await this.parts.ledger.isEmpty());
    if (isLost || orphans.size > Math.max(orphansExpectedMax, named)) {
      this.#found = orphans.size;
      throw new SweepRefusedError(orphans.size);
    }
    return orphans;
  }

  /** True for what a reconciliation gives no row either. */
  async #isNeedless(key: string, order: ArrivalOrder): Promise<boolean> {
    const { store, ledger, rule } = this.parts;
    try {
      const written = await describeBlob(store, key);
      const kept = await ledger.kept(written.sopInstanceUid);
      const mark = readBlobKey(key);
      if (kept.length === 0 || !mark) return false;
      // Rows between are missing: what equals the newest row that is left may undo a correction that is lost with them.
      if (order.revisionOf(key) > Math.max(...kept.map((entry) => entry.revision))) return false;
      const row = { written, intake: mark.intake, storedAt: mark.arrivedAt, traceparent: undefined, revisionFloor: 0 };
      return (await rule.judge(row, kept, (entry) => order.isAfter(mark, entry))).decision === 'duplicate';
    } catch (error) {
      if (error instanceof ObjectNotFoundError) return false;
      if (unreadable(error)) return true;
      throw error;
    }
  }
}
