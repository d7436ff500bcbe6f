import { setTimeout as sleep } from 'node:timers/promises';

import { DicomParseError } from '@callosum/dicom';
import { CallosumError, type Clock } from '@callosum/kernel';
import { ObjectNotFoundError, type ObjectStore } from '@callosum/object-store';
import type { Logger } from '@callosum/telemetry';

import { ArrivalOrder } from './arrival-order.js';
import { type BlobMark, dayOf, readBlobKey } from './blob-key.js';
import { tellConflict } from './conflicts.js';
import type { Deposit, Deposited } from './deposit.js';
import { MissingUidError, TruncatedObjectError } from './errors.js';
import { describeBlob, type WrittenInstance } from './instance-bytes.js';
import type { Ledger } from './ledger.js';
import type { PendingRow } from './pending-row.js';
import type { Tombstones } from './tombstones.js';

export interface ReconcileProgress {
  readonly examined: number;
  /** Got a row and a fact. */
  readonly recovered: number;
  /** No readable object: left by a crash before the acknowledgement, or damaged since. */
  readonly unreadable: number;
}

interface Lost {
  readonly mark: BlobMark;
  readonly recordedRevision: number;
}
interface Found extends Lost {
  readonly written: WrittenInstance;
}

/** Keys asked of the ledger at once. */
const pageKeys = 500;
/** Blobs read at once: enough to keep a disk busy, and few buffers. */
const readAtOnce = 8;
/** While the outbox is full or a dependency away: the relay empties it, and in five minutes it would have moved. */
const retryAfterMs = 1_000;
const retriesMax = 300;

export interface ReconcileParts {
  readonly store: ObjectStore;
  readonly ledger: Ledger;
  readonly deposit: Deposit;
  readonly tombstones: Pick<Tombstones, 'replay'>;
  readonly site: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Writes the ledger's missing rows from the blobs alone (rule 5): after the database was lost, or restored from a
 * backup that is older than the object store. Beside the running system, and as often as one likes: what has a row is
 * passed over, and each row that is written announces its instance once.
 */
export class Reconciliation {
  readonly #progress = { examined: 0, recovered: 0, unreadable: 0 };

  /** @param revisionFloor of the facts; asked for once there is something to recover */
  constructor(
    private readonly parts: ReconcileParts,
    private readonly revisionFloor: () => Promise<number>,
  ) {}

  /**
   * Blobs of a day in the order they came, day after day; corrections and conflicts of all days after their firsts.
   * @param settledMs blobs younger than this may be about to get their row, and are left alone
   * @throws {ObjectStoreUnavailableError}
   */
  async *run(settledMs: number): AsyncGenerator<ReconcileProgress> {
    // Before the rows: what was hidden must not come back with them.
    await this.parts.tombstones.replay();
    const order = await ArrivalOrder.read(this.parts.store, this.parts.site);
    const later: Lost[] = [];
    let day: Lost[] = [];
    let date = '';
    for await (const page of this.#lost(settledMs, order)) {
      for (const lost of page) {
        if (dayOf(lost.mark.key) !== date) {
          yield* this.#recoverAll(day, order);
          day = [];
          date = dayOf(lost.mark.key);
        }
        (lost.recordedRevision > 1 ? later : day).push(lost);
      }
      yield { ...this.#progress };
    }
    yield* this.#recoverAll(day, order);
    yield* this.#recoverAll(later, order);
    yield { ...this.#progress };
  }

  async *#lost(settledMs: number, order: ArrivalOrder): AsyncGenerator<Lost[]> {
    const { store, site, clock } = this.parts;
    const before = clock.now().getTime() - settledMs;
    let keys: string[] = [];
    for await (const { key, modifiedAt } of store.list(`${site}/blobs/`)) {
      if (modifiedAt.getTime() > before) continue;
      keys.push(key);
      if (keys.length < pageKeys) continue;
      yield await this.#withoutRow(keys, order);
      keys = [];
    }
    yield await this.#withoutRow(keys, order);
  }

  async #withoutRow(keys: readonly string[], order: ArrivalOrder): Promise<Lost[]> {
    const { ledger, logger } = this.parts;
    const known = await ledger.named(keys);
    this.#progress.examined += keys.length;
    return keys.flatMap((key) => {
      if (known.has(key)) return [];
      const mark = readBlobKey(key);
      if (mark) return [{ mark, recordedRevision: order.revisionOf(key) }];
      logger.warn({ key }, 'archive.blob-unmarked');
      this.#progress.unreadable++;
      return [];
    });
  }

  async *#recoverAll(lost: readonly Lost[], order: ArrivalOrder): AsyncGenerator<ReconcileProgress> {
    const inOrder = [...lost].sort(
      (a, b) =>
        a.recordedRevision - b.recordedRevision ||
        a.mark.arrivedAt.getTime() - b.mark.arrivedAt.getTime() ||
        (a.mark.key < b.mark.key ? -1 : 1),
    );
    for (let at = 0; at < inOrder.length; at += readAtOnce) {
      const read = await Promise.all(inOrder.slice(at, at + readAtOnce).map((one) => this.#read(one)));
      await this.#patiently(() =>
        this.#recover(
          read.filter((one) => one !== undefined),
          order,
        ),
      );
      yield { ...this.#progress };
    }
  }

  async #read(lost: Lost): Promise<Found | undefined> {
    const { store, logger } = this.parts;
    try {
      return { ...lost, written: await describeBlob(store, lost.mark.key) };
    } catch (error) {
      // Deleted meanwhile by who wrote it.
      if (error instanceof ObjectNotFoundError) return undefined;
      if (!unreadable(error)) throw error;
      this.#progress.unreadable++;
      logger.warn({ key: lost.mark.key, err: error }, 'archive.blob-unreadable');
      return undefined;
    }
  }

  /** Firsts of their UIDs share a transaction; further objects are judged after them, in their order. */
  async #recover(found: readonly Found[], order: ArrivalOrder): Promise<void> {
    if (found.length === 0) return;
    const { ledger, deposit, logger } = this.parts;
    const revisionFloor = await this.revisionFloor();
    const ours = found.filter(({ mark }) => mark.intake.origin === 'callosum');
    await ledger.reissue(ours.map(({ written }) => written.sopInstanceUid));
    const firsts = new Map(found.map((one) => [one.written.sopInstanceUid, one]).reverse() as [string, Found][]);
    const { known } = await ledger.insertNew([...firsts.values()].map((one) => rowOf(one, revisionFloor)));
    let recovered = 0;
    for (const one of found) {
      const uid = one.written.sopInstanceUid;
      const { status }: Deposited =
        firsts.get(uid) === one && !known.has(uid)
          ? { status: 'stored' }
          : await deposit.decide(rowOf(one, revisionFloor), (entry) => order.isAfter(one.mark, entry));
      if (status !== 'duplicate') recovered++;
      tellConflict(logger, status, {
        sopInstanceUid: uid,
        studyInstanceUid: one.written.studyInstanceUid,
        source: one.mark.intake.source,
      });
    }
    this.#progress.recovered += recovered;
  }

  async #patiently(work: () => Promise<void>): Promise<void> {
    for (let retry = 0; ; retry++) {
      try {
        return await work();
      } catch (error) {
        if (retry >= retriesMax || !(error instanceof CallosumError && error.retriable)) throw error;
        await sleep(retryAfterMs);
      }
    }
  }
}

/** Errors that say of a blob that no sender was ever told it was stored, or that it is damaged. */
export const unreadable = (error: unknown): boolean =>
  error instanceof DicomParseError || error instanceof TruncatedObjectError || error instanceof MissingUidError;

const rowOf = ({ mark, written }: Found, revisionFloor: number): PendingRow => ({
  written,
  intake: mark.intake,
  storedAt: mark.arrivedAt,
  traceparent: undefined,
  revisionFloor,
});
