import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Attributes } from '@callosum/dicom';
import { newId, uuidToUid } from '@callosum/kernel';
import { tinyCt } from '@callosum/phantom';
import type { TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';

import type { Archive, Hide, Recorded } from '../index.js';
import { HookedStore } from './hooked-store.js';
import { type OpenArchive, openArchive, prepareArchive } from './open-archive.js';

export const hourMs = 3_600_000;
export const newUid = (): string => uuidToUid(newId());
export const person: Hide = { reason: 'person', eraseAfterMs: hourMs, actor: 'subject-1' };
export const restorer = { actor: 'subject-2' };

/** A study in an archive of its own, and what people, notes, retention and Callosum say of its instances. */
export class RejectedStudy {
  readonly #folder = mkdtempSync(join(tmpdir(), 'callosum-rejections-'));
  #opened: OpenArchive | undefined;
  study = '';
  now = Date.parse('2126-11-22T00:00:00Z');
  readonly objects = new HookedStore({ root: this.#folder, diskFreeBytesMin: 0 });
  readonly clock = { now: () => new Date(this.now) };

  constructor(private readonly server: TestPostgres | undefined) {}

  async open(): Promise<void> {
    this.#opened = await this.another();
  }

  async close(): Promise<void> {
    await this.#opened?.database.close();
    await this.server?.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** An archive with another ledger, beside the same blobs. */
  async another(): Promise<OpenArchive> {
    if (!this.server) throw new Error('there is no database');
    const config = await this.server.createDatabase();
    await prepareArchive(config);
    return openArchive(config, this.objects, 1_000_000, { clock: this.clock });
  }

  get here(): OpenArchive {
    if (!this.#opened) throw new Error('the archive is not open');
    return this.#opened;
  }
  get archive(): Archive {
    return this.here.archive;
  }

  /** The next study, a day later, of two images. */
  async begin(): Promise<{ archive: Archive; study: string; one: string; other: string }> {
    this.study = newUid();
    this.pass(24 * hourMs);
    this.objects.reset();
    return { archive: this.archive, study: this.study, one: await this.stored(), other: await this.stored() };
  }

  readonly pass = (ms: number): void => {
    this.now += ms;
  };

  readonly #bytesOf = (sop: string, more: Attributes = {}) => {
    const uids = { SOPInstanceUID: sop, StudyInstanceUID: this.study, SeriesInstanceUID: `${this.study}.1` };
    return tinyCt({ ...uids, ...more }).bytes;
  };
  readonly send = (sop: string, source = 'CT1', more: Attributes = {}) =>
    this.archive.store(this.#bytesOf(sop, more), { origin: 'dimse', source });
  readonly stored = async (): Promise<string> => {
    const sop = newUid();
    await this.send(sop);
    return sop;
  };
  readonly ref = (sop: string) => ({ seriesInstanceUid: `${this.study}.1`, sopInstanceUid: sop });
  readonly named = (sop: string) => ({ ...this.ref(sop), studyInstanceUid: this.study });

  readonly rejectAs = (value: string, note: string, ...sops: string[]): Promise<Recorded> => {
    const code = { value, scheme: 'DCM' };
    const eraseAfterMs = value === '113039' ? hourMs : null;
    const hide: Hide = { reason: 'rejection-note', code, cause: newUid(), eraseAfterMs, actor: note };
    return this.archive.tombstones.hideInstances(this.study, sops.map(this.ref), hide);
  };
  readonly reject = (note: string, ...sops: string[]): Promise<Recorded> => this.rejectAs('113037', note, ...sops);
  readonly unreject = (note = 'note') => this.archive.tombstones.unreject(this.study, { note, isWrong: () => true });

  readonly remove = (how: Partial<Hide> = {}) =>
    this.archive.tombstones.hide({ studyInstanceUid: this.study }, { ...person, ...how });
  readonly letGo = (...sops: string[]): Promise<Recorded> =>
    this.archive.tombstones.hideInstances(this.study, sops.map(this.ref), { ...person, reason: 'retention' });
  readonly restore = (how: { rejected?: true } = {}) =>
    this.archive.tombstones.restore({ studyInstanceUid: this.study }, { ...restorer, ...how });

  /** A backup of before all decisions about the study takes the database's place. */
  readonly loseDecisions = async (): Promise<void> => {
    const { db } = this.here.database;
    await sql`delete from tombstone where study_instance_uid = ${this.study}`.execute(db);
    await sql`delete from withheld_instance where study_instance_uid = ${this.study}`.execute(db);
    await sql`update intake set withheld = false where study_instance_uid = ${this.study}`.execute(db);
    this.pass(1_000);
  };

  readonly publish = (sop: string) =>
    this.archive.store(this.#bytesOf(sop), { origin: 'callosum', source: 'CALLOSUM' });
  readonly published = async (): Promise<string> => {
    const own = newUid();
    await this.archive.issue([own]);
    await this.publish(own);
    return own;
  };
  readonly withdraw = (...own: string[]) => this.archive.tombstones.hideResults(this.study, own, 'result-publisher');

  readonly shown = async (from: Archive = this.archive): Promise<string[]> =>
    (await from.locate({ studyInstanceUid: this.study })).map((row) => row.sop_instance_uid).sort();
  /** How many objects of an instance have their bytes. */
  readonly blobsOf = async (sop: string): Promise<number> => {
    const { rows } = await sql<{ key: string }>`select blob_key as key from intake
      where sop_instance_uid = ${sop}`.execute(this.here.database.db);
    const there = await Promise.allSettled(rows.map(({ key }) => this.objects.head(key)));
    return there.filter(({ status }) => status === 'fulfilled').length;
  };
  readonly status = (from: Archive = this.archive) => from.tombstones.status(this.study);
  /** Of each fact that shows something again, what it names. */
  readonly told = async (): Promise<string[][]> => {
    const { rows } = await sql<{ value: string }>`select value from outbox
      where topic = 'imaging.tombstone.recorded.v1' and key = ${this.study} order by id`.execute(this.here.database.db);
    return rows
      .map(({ value }) => JSON.parse(value) as { effect: string; instances?: { sopInstanceUid: string }[] })
      .filter(({ effect }) => effect === 'TOMBSTONE_EFFECT_RESTORED')
      .map(({ instances = [] }) => instances.map(({ sopInstanceUid }) => sopInstanceUid).sort());
  };
  /** What the rows of the study say. */
  readonly said = async (from: OpenArchive = this.here): Promise<unknown[]> => {
    const { rows } = await sql`select * from withheld_instance
      where study_instance_uid = ${this.study} order by sop_instance_uid`.execute(from.database.db);
    return rows;
  };
}
