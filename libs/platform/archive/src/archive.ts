import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { type Database, isTransientDatabaseError } from '@callosum/database';
import { comparePixels, type DatasetDigest, datasetDigest, DicomParseError, DicomPixelError } from '@callosum/dicom';
import type { Outbox } from '@callosum/event-log';
import { CallosumError, type Clock, systemClock } from '@callosum/kernel';
import { type ByteRange, ObjectExistsError, type ObjectStore } from '@callosum/object-store';
import { currentTraceparent, type Logger } from '@callosum/telemetry';
import type { Kysely } from 'kysely';

import { ArchiveUnavailableError, SweepRefusedError } from './errors.js';
import { GroupCommit } from './group-commit.js';
import { InstanceStream, type InstanceUids, type WrittenInstance } from './instance-writer.js';
import { type Intake, Ledger, type LedgerEntry, type PendingRow } from './ledger.js';
import type { ArchiveTables } from './tables.js';

export interface ArchiveOptions {
  /** Bound to the schema `archive`, under the service's role. */
  readonly database: Database<never>;
  readonly objectStore: ObjectStore;
  /** Over the archive's own outbox, in the same schema. */
  readonly outbox: Outbox;
  readonly site: string;
  readonly logger: Logger;
  readonly clock?: Clock;
}

/**
 * What became of an object (rule 2). All of them are success to the sender.
 * - `stored`: the first of its SOPInstanceUID
 * - `duplicate`: the same dataset is kept already, perhaps in another lossless syntax; nothing was written
 * - `correction`: same pixels, other attributes: kept, now current
 * - `conflicting-pixels`: other pixels: kept, the first stays current, a person should look
 */
export interface StoreOutcome extends InstanceUids {
  readonly status: 'stored' | 'duplicate' | 'correction' | 'conflicting-pixels';
  readonly transferSyntaxUid: string;
}

/** One object on its way in; one of `commit` and `abort` ends it. */
export interface InstanceWriter {
  /** PS3.10 bytes: preamble, file meta information, dataset. Resolves when more may be written. */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * The acknowledgement: when it resolves the blob is durable and its row and its fact are committed.
   * @param expected UIDs announced for the object; others than these are refused
   * @throws {ArchiveUnavailableError} @throws {DicomParseError} @throws {TruncatedObjectError}
   * @throws {MissingUidError} @throws {UidMismatchError}
   */
  commit(expected?: Partial<InstanceUids>): Promise<StoreOutcome>;
  /** Leaves nothing behind. Idempotent, also after a failed commit. */
  abort(): Promise<void>;
}

/** Which current instances: of a study, of one of its series, or one. */
export interface InstanceSelection {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid?: string;
  readonly sopInstanceUid?: string;
}

/** Rows read at once when all of the archive is walked. */
const pageRows = 500;
/** Deleted by one sweep; the rest waits for the next. */
const sweptMax = 100_000;
/** An outage of the database under load leaves about so many; more than that must be fewer than the kept ones. */
const orphansExpectedMax = 10_000;
/** Objects compared in memory when a second one of a UID arrives; a larger pair is kept as conflicting. */
const compareBytesMax = 512 * 1024 * 1024;

/** The one way in for dimse-ingest, dicomweb and result-publisher, and the source of truth (rules 1, 2, 4 and 5). */
export class Archive {
  readonly #store: ObjectStore;
  readonly #db: Kysely<ArchiveTables>;
  readonly #ledger: Ledger;
  readonly #commits: GroupCommit;
  readonly #site: string;
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(options: ArchiveOptions) {
    this.#store = options.objectStore;
    this.#db = options.database.db as unknown as Kysely<ArchiveTables>;
    this.#site = options.site;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger;
    this.#ledger = new Ledger(this.#db, options.outbox, options.site);
    this.#commits = new GroupCommit((rows) => this.#ledger.insertNew(rows), passesLater);
  }

  /** Opens the archive for one object. */
  begin(intake: Intake): InstanceWriter {
    const stream = new InstanceStream(this.#store, this.#newBlobKey());
    let ended = false;
    return {
      write: (bytes) => stream.write(bytes),
      commit: async (expected = {}) => {
        ended = true;
        try {
          return await this.#commit(await stream.finish(expected), intake);
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
    try {
      await this.#db
        .insertInto('issued_instances')
        .values(sopInstanceUids.map((uid) => ({ sop_instance_uid: uid })))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    } catch (error) {
      throw asUnavailable(error);
    }
  }

  /** Current instances in the order they came. Empty when there are none. */
  locate(selection: InstanceSelection): Promise<LedgerEntry[]> {
    let query = this.#db
      .selectFrom('intake')
      .selectAll()
      .where('site', '=', this.#site)
      .where('current', '=', true)
      .where('study_instance_uid', '=', selection.studyInstanceUid);
    if (selection.seriesInstanceUid !== undefined)
      query = query.where('series_instance_uid', '=', selection.seriesInstanceUid);
    if (selection.sopInstanceUid !== undefined) query = query.where('sop_instance_uid', '=', selection.sopInstanceUid);
    return query.orderBy('id').execute();
  }

  /** Bytes of a kept blob. @throws {ObjectNotFoundError} @throws {ObjectStoreUnavailableError} */
  open(blobKey: string, range?: ByteRange): Promise<Readable> {
    return this.#store.get(blobKey, range);
  }

  /** How many instances are current. */
  async count(): Promise<number> {
    const { count } = await this.#db
      .selectFrom('intake')
      .select((select) => select.fn.countAll<number>().as('count'))
      .where('site', '=', this.#site)
      .where('current', '=', true)
      .executeTakeFirstOrThrow();
    return Number(count);
  }

  /** Every current instance, in the order they came. */
  async *current(): AsyncGenerator<LedgerEntry> {
    for (let after = 0; ;) {
      const page = await this.#db
        .selectFrom('intake')
        .selectAll()
        .where('site', '=', this.#site)
        .where('current', '=', true)
        .where('id', '>', after)
        .orderBy('id')
        .limit(pageRows)
        .execute();
      yield* page;
      const last = page.at(-1);
      if (!last) return;
      after = last.id;
    }
  }

  /**
   * Deletes blobs that no row names and that are older than `ageMs`: what failed between blob and commit.
   * @param signal ends it early, with the signal's reason
   * @returns how many
   * @throws {SweepRefusedError} when the blobs without a row are so many that it is the rows that are missing
   */
  async sweep(ageMs: number, signal?: AbortSignal): Promise<number> {
    const before = this.#clock.now().getTime() - ageMs;
    const orphans: string[] = [];
    let named = 0;
    for await (const keys of this.#oldBlobs(before)) {
      signal?.throwIfAborted();
      const known = await this.#ledger.named(keys);
      named += known.size;
      orphans.push(...keys.filter((key) => !known.has(key)));
      if (orphans.length >= sweptMax) break;
    }
    if (orphans.length > 0 && (named === 0 || orphans.length > Math.max(orphansExpectedMax, named))) {
      throw new SweepRefusedError(orphans.length);
    }
    for (const key of orphans) {
      signal?.throwIfAborted();
      await this.#store.delete(key);
    }
    return orphans.length;
  }

  async *#oldBlobs(before: number): AsyncGenerator<string[]> {
    let keys: string[] = [];
    for await (const { key, modifiedAt } of this.#store.list(`${this.#site}/blobs/`)) {
      if (modifiedAt.getTime() >= before) continue;
      keys.push(key);
      if (keys.length < pageRows) continue;
      yield keys;
      keys = [];
    }
    yield keys;
  }

  /** "default/blobs/2026-11-22/3f/<uuid>": a day's folder is never too large for a file system. */
  #newBlobKey(): string {
    const id = randomUUID();
    const day = this.#clock.now().toISOString().slice(0, 10);
    return `${this.#site}/blobs/${day}/${id.slice(0, 2)}/${id}`;
  }

  async #commit(written: WrittenInstance, intake: Intake): Promise<StoreOutcome> {
    const row: PendingRow = { written, intake, storedAt: this.#clock.now(), traceparent: currentTraceparent() };
    const status = (await this.#commits.add(row)) ? 'stored' : await this.#decide(row);
    const { studyInstanceUid, seriesInstanceUid, sopInstanceUid, sopClassUid, transferSyntaxUid } = written;
    if (status === 'duplicate') await this.#store.delete(written.blob.key);
    if (status === 'conflicting-pixels') {
      this.#logger.error({ sopInstanceUid, source: intake.source }, 'archive.conflicting-pixels');
    }
    return { status, studyInstanceUid, seriesInstanceUid, sopInstanceUid, sopClassUid, transferSyntaxUid };
  }

  /** Rule 2, for an object whose UID is known already. */
  async #decide(row: PendingRow): Promise<Exclude<StoreOutcome['status'], 'stored'>> {
    const { written } = row;
    for (;;) {
      const kept = await this.#ledger.kept(written.sopInstanceUid);
      const sameBytes = (entry: LedgerEntry): boolean =>
        entry.dataset_sha256 === written.datasetSha256 && entry.transfer_syntax_uid === written.transferSyntaxUid;
      if (kept.some(sameBytes)) return 'duplicate';
      const digests = await this.#digests(written.blob.key, written.blob.byteCount);
      const others: { entry: LedgerEntry; digests: DatasetDigest }[] = [];
      for (const entry of kept) others.push({ entry, digests: await this.#digestsOf(entry) });
      const same = (other: DatasetDigest): boolean =>
        other.attributesDigest === digests.attributesDigest && comparePixels(other, digests) === 'same';
      if (others.some((other) => same(other.digests))) return 'duplicate';
      const current = others.find(({ entry }) => entry.current);
      const decision =
        current && comparePixels(current.digests, digests) === 'same' ? 'correction' : 'conflicting-pixels';
      const revision = Math.max(...kept.map((entry) => entry.revision)) + 1;
      if (await this.#ledger.insertRevision(row, decision, revision, digests)) return decision;
    }
  }

  async #digestsOf(entry: LedgerEntry): Promise<DatasetDigest> {
    if (entry.attributes_digest !== null && entry.pixel_digest !== null) {
      return { attributesDigest: entry.attributes_digest, pixelDigest: entry.pixel_digest };
    }
    const digests = await this.#digests(entry.blob_key, entry.byte_count);
    await this.#ledger.rememberDigests(entry.id, digests.attributesDigest, digests.pixelDigest);
    return digests;
  }

  async #digests(blobKey: string, byteCount: number): Promise<DatasetDigest> {
    const incomparable = { attributesDigest: `blob:${blobKey}`, pixelDigest: `blob:${blobKey}` };
    if (byteCount > compareBytesMax) return incomparable;
    const bytes = await buffer(await this.#store.get(blobKey));
    try {
      return await datasetDigest(bytes);
    } catch (error) {
      // Its header could be read and the rest cannot: kept beside the others, and a person is told.
      if (error instanceof DicomParseError || error instanceof DicomPixelError) return incomparable;
      throw error;
    }
  }
}

const passesLater = (error: unknown): boolean =>
  error instanceof CallosumError ? error.retriable : isTransientDatabaseError(error);

/** What a sender may try again later, in one class; every other error says something about the object. */
function asUnavailable(error: unknown): unknown {
  if (error instanceof ArchiveUnavailableError) return error;
  if (error instanceof CallosumError) {
    // A blob key is new and random: that it exists means a write of ours whose answer was lost and tried again.
    const again = error.kind === 'unavailable' || error instanceof ObjectExistsError;
    return again ? new ArchiveUnavailableError(error.code, { cause: error }) : error;
  }
  return isTransientDatabaseError(error)
    ? new ArchiveUnavailableError('the database does not answer', { cause: error })
    : error;
}
