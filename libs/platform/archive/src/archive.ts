import type { Readable } from 'node:stream';

import type { Database } from '@callosum/database';
import type { Outbox } from '@callosum/event-log';
import { type Clock, systemClock } from '@callosum/kernel';
import type { ByteRange, ObjectStore } from '@callosum/object-store';
import { currentTraceparent, type Logger } from '@callosum/telemetry';
import type { Kysely } from 'kysely';

import { Acknowledged } from './acknowledged.js';
import { newBlobKey } from './blob-key.js';
import { ByteBudget } from './byte-budget.js';
import { tellConflict } from './conflicts.js';
import { Deposit } from './deposit.js';
import { Eraser } from './eraser.js';
import { GroupCommit } from './group-commit.js';
import { ConflictRefusedError } from './errors.js';
import type { WrittenInstance } from './instance-bytes.js';
import { InstanceStream } from './instance-writer.js';
import {
  type InstanceSelection,
  type KeptBlob,
  type KeptInstance,
  KeptInstances,
  type StudyIntake,
} from './kept-instances.js';
import { Ledger } from './ledger.js';
import type { Intake, LedgerEntry, PendingRow } from './pending-row.js';
import { recentBlobs } from './recent-blobs.js';
import { type ReconcileProgress, Reconciliation } from './reconcile.js';
import { nextRevisionFloor } from './recoveries.js';
import { RuleTwo } from './rule-two.js';
import type { InstanceWriter, StoreOutcome } from './store-outcome.js';
import { Sweep } from './sweep.js';
import type { ArchiveTables } from './tables.js';
import { Tombstones } from './tombstones.js';
import { asUnavailable, available, passesLater } from './unavailable.js';

export interface ArchiveOptions {
  /** Bound to the schema `archive`, under the service's role. */
  readonly database: Database<never>;
  readonly objectStore: ObjectStore;
  /** Over the archive's own outbox, in the same schema. */
  readonly outbox: Outbox;
  readonly site: string;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** What becomes of another object under a known UID; kept when not given. */
  readonly conflicts?: 'keep' | 'refuse';
  /** Memory for comparing objects; shared by all archives of the process when not given. */
  readonly compareBudget?: ByteBudget;
}

/** Rows read at once when all of the archive is walked. */
const pageRows = 500;
/** One of the largest objects that are compared, or many small ones: 512 MiB beside what else a process holds. */
const compareBudget = new ByteBudget(512 * 1024 * 1024);

/** The one way in for dimse-ingest, dicomweb and result-publisher, and the source of truth (rules 1, 2, 4 and 5). */
export class Archive {
  readonly #store: ObjectStore;
  readonly #db: Kysely<ArchiveTables>;
  readonly #ledger: Ledger;
  readonly #kept: KeptInstances;
  readonly #acknowledged: Acknowledged;
  readonly #deposit: Deposit;
  readonly #sweep: Sweep;
  readonly #eraser: Eraser;
  readonly #site: string;
  readonly #clock: Clock;
  readonly #conflicts: 'keep' | 'refuse';
  readonly #logger: Logger;
  /** What of it is shown and kept: hiding, restoring, legal holds. */
  readonly tombstones: Tombstones;

  constructor(options: ArchiveOptions) {
    this.#store = options.objectStore;
    this.#db = options.database.db as unknown as Kysely<ArchiveTables>;
    this.#site = options.site;
    this.#clock = options.clock ?? systemClock;
    this.#conflicts = options.conflicts ?? 'keep';
    this.#logger = options.logger;
    this.#ledger = new Ledger(this.#db, options.outbox, options.site);
    this.#kept = new KeptInstances(this.#db, options.site);
    const rule = new RuleTwo(this.#store, this.#ledger, options.compareBudget ?? compareBudget);
    const commits = new GroupCommit((rows, waits) => this.#ledger.insertNew(rows, waits), passesLater);
    this.tombstones = new Tombstones({ ...this.#parts(), db: this.#db, outbox: options.outbox });
    const { tombstones } = this;
    const acknowledged = new Acknowledged({ ...this.#parts(), db: this.#db });
    this.#acknowledged = acknowledged;
    this.#deposit = new Deposit({ ...this.#parts(), commits, rule, tombstones, acknowledged });
    this.#eraser = new Eraser({ ...this.#parts(), db: this.#db, outbox: options.outbox, rule, tombstones });
    this.#sweep = new Sweep({ ...this.#parts(), rule });
  }

  /** Opens the archive for one object. */
  begin(intake: Intake): InstanceWriter {
    const storedAt = this.#clock.now();
    const stream = new InstanceStream(this.#store, newBlobKey(this.#site, intake, storedAt));
    let ended = false;
    return {
      write: (bytes) => stream.write(bytes),
      sopInstance: () => stream.sopInstance(),
      commit: async (expected = {}) => {
        ended = true;
        try {
          return await this.#commit(await stream.finish(expected), intake, storedAt);
        } catch (error) {
          throw asUnavailable(error);
        }
      },
      abort: async () => {
        if (!ended) await stream.abort();
        ended = true;
      },
    };
  }

  /** Stores an object that is whole in memory. */
  async store(bytes: Uint8Array, intake: Intake): Promise<StoreOutcome> {
    const writer = this.begin(intake);
    await writer.write(bytes);
    return writer.commit();
  }

  /** Enters UIDs into the ledger of instances Callosum made (rule 4), before anything is stored under them. */
  async issue(sopInstanceUids: readonly string[]): Promise<void> {
    if (sopInstanceUids.length === 0) return;
    await available(
      this.#db
        .insertInto('issued_instances')
        .values(sopInstanceUids.map((uid) => ({ sop_instance_uid: uid })))
        .onConflict((conflict) => conflict.doNothing())
        .execute(),
    );
  }

  /** Current instances that are shown, in the order they came. Empty when there are none. @throws {ArchiveUnavailableError} */
  locate(selection: InstanceSelection): Promise<LedgerEntry[]> {
    return available(this.#kept.locate(selection));
  }

  /** The same, for who reads the bytes of many: what is needed for that alone. @throws {ArchiveUnavailableError} */
  blobsOf(selection: InstanceSelection): Promise<KeptBlob[]> {
    return available(this.#kept.blobsOf(selection));
  }

  /**
   * SOP classes under which instances are durable, by SOP Instance UID; current or not, what is kept is kept. One of which
   * nothing is kept, whose bytes are gone, or that is withheld, is absent. @throws {ArchiveUnavailableError}
   */
  keptClasses(sopInstanceUids: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    return available(this.#acknowledged.classesOf(sopInstanceUids));
  }

  /** What is kept of a study, in numbers; undefined when nothing is. @throws {ArchiveUnavailableError} */
  intakeOf(studyInstanceUid: string): Promise<StudyIntake | undefined> {
    return available(this.#kept.intakeOf(studyInstanceUid));
  }

  /**
   * Current source instances of a study: all that was acknowledged of it and made by others than Callosum (rule 4).
   * @throws {ArchiveUnavailableError}
   */
  sourceInstancesOf(studyInstanceUid: string): Promise<KeptInstance[]> {
    return available(this.#kept.sourceInstancesOf(studyInstanceUid));
  }

  /**
   * Bytes of a kept blob.
   * @param signal gives up, also in the middle of them
   * @throws {ObjectNotFoundError} @throws {ObjectStoreUnavailableError}
   */
  open(blobKey: string, range?: ByteRange, signal?: AbortSignal): Promise<Readable> {
    return this.#store.get(blobKey, range, signal);
  }

  /** Blobs of what came of a study since then, the newest first. @throws {ArchiveUnavailableError} */
  recentBlobs(studyInstanceUid: string, since: Date, limit: number): Promise<string[]> {
    return available(recentBlobs(this.#db, this.#site, studyInstanceUid, since, limit));
  }

  /** How many current instances are shown. @throws {ArchiveUnavailableError} */
  async count(): Promise<number> {
    const query = this.#db
      .selectFrom('intake')
      .select((select) => select.fn.countAll<number>().as('count'))
      .where('site', '=', this.#site)
      .where('current', '=', true)
      .where('withheld', '=', false);
    const { count } = await available(query.executeTakeFirstOrThrow());
    return Number(count);
  }

  /** Every current instance that is shown, in the order they came. @throws {ArchiveUnavailableError} */
  async *current(): AsyncGenerator<LedgerEntry> {
    for (let after = 0; ;) {
      const query = this.#db
        .selectFrom('intake')
        .selectAll()
        .where('site', '=', this.#site)
        .where('current', '=', true)
        .where('withheld', '=', false)
        .where('id', '>', after)
        .orderBy('id')
        .limit(pageRows);
      const page = await available(query.execute());
      yield* page;
      const last = page.at(-1);
      if (!last) return;
      after = last.id;
    }
  }

  /**
   * Removes what was never acknowledged and is older than `ageMs`; see `Sweep`.
   * @param signal ends it early, with the signal's reason
   * @returns how many blobs
   * @throws {SweepRefusedError} when the blobs without a row are so many that it is the rows that are missing
   */
  sweep(ageMs: number, signal?: AbortSignal): Promise<number> {
    return this.#sweep.run(ageMs, signal);
  }

  /**
   * Erases the bytes of withheld instances whose time has come and that no legal hold protects.
   * @param signal ends it early, with the signal's reason
   * @returns how many instances
   */
  erase(signal?: AbortSignal): Promise<number> {
    return this.#eraser.run(signal);
  }

  /** Blobs without a row that stay until a reconciliation; of the last sweep of this process, undefined before its first. */
  get unknownBlobs(): number | undefined {
    return this.#sweep.unknownBlobs;
  }

  /**
   * Writes the rows that the ledger lacks from the blobs alone, and announces each such instance; see `Reconciliation`.
   * @param settledMs blobs younger than this may be about to get their row, and are left alone
   * @param revisionFloor for the facts, asked for when there is something to recover
   */
  reconcile(settledMs: number, revisionFloor: () => Promise<number>): AsyncGenerator<ReconcileProgress> {
    const parts = { ...this.#parts(), deposit: this.#deposit, tombstones: this.tombstones };
    return new Reconciliation(parts, revisionFloor).run(settledMs);
  }

  /** Lowest revision for studies of a recovery that begins now: above all that were ever told of. Counts up. */
  nextRevisionFloor(): Promise<number> {
    return nextRevisionFloor(this.#store, this.#site, this.#clock.now());
  }

  #parts() {
    return { store: this.#store, ledger: this.#ledger, site: this.#site, clock: this.#clock, logger: this.#logger };
  }

  async #commit(written: WrittenInstance, intake: Intake, storedAt: Date): Promise<StoreOutcome> {
    const row: PendingRow = { written, intake, storedAt, traceparent: currentTraceparent(), revisionFloor: 0 };
    const { studyInstanceUid, seriesInstanceUid, sopInstanceUid, sopClassUid, transferSyntaxUid } = written;
    const fields = { sopInstanceUid, studyInstanceUid, source: intake.source };
    const conflicts = intake.origin === 'callosum' ? 'keep' : this.#conflicts;
    const deposited = await this.#deposit.settle(row, conflicts).catch(async (error: unknown) => {
      if (error instanceof ConflictRefusedError) {
        await this.#store.delete(written.blob.key).catch(() => undefined);
        tellConflict(this.#logger, error.conflict, { ...fields, refused: true });
      }
      throw error;
    });
    // What the sender hears does not depend on it: a copy that stays is the sweeper's.
    if (deposited.status === 'duplicate') await this.#store.delete(written.blob.key).catch(() => undefined);
    tellConflict(this.#logger, deposited.status, fields);
    return { ...deposited, studyInstanceUid, seriesInstanceUid, sopInstanceUid, sopClassUid, transferSyntaxUid };
  }
}
