import { addIndexes, type Migrations } from '@callosum/database';
import { type ColumnType, type Kysely, sql } from 'kysely';

export type TombstoneEffect = 'hidden' | 'restored' | 'erased' | 'held' | 'released';
export type TombstoneReason = 'person' | 'retention' | 'rejection-note' | 'result-withdrawn' | 'received-again';

type Timestamp = ColumnType<Date, Date, Date>;
type NullableTimestamp = ColumnType<Date | null, Date | null, Date | null>;
type NullableTimestampOrNone = ColumnType<Date | null, Date | null | undefined, Date | null>;

/** Each decision about what is shown and kept of a study, in their order. */
export interface TombstoneRow {
  readonly site: string;
  readonly study_instance_uid: string;
  /** Milliseconds since 1970, raised where needed to stay above all earlier ones of the study. */
  readonly sequence: number;
  readonly tombstone_id: string;
  readonly effect: TombstoneEffect;
  readonly reason: TombstoneReason;
  readonly code_value: string | null;
  readonly code_scheme: string | null;
  readonly actor: string;
  /** What it stands on and is obeyed once for: a revision of a rejection note, whose SOP Instance UID it begins with. */
  readonly cause: string | null;
  /** When the revision of a note that it stands on was stored; null for others, and for rows of before. */
  readonly revised_at: NullableTimestampOrNone;
  readonly instance_count: number;
  readonly recorded_at: Timestamp;
}

/** Instances that tombstones ever named, with what the last of them says; also of some that were never received. */
export interface WithheldRow {
  readonly site: string;
  readonly study_instance_uid: string;
  readonly sop_instance_uid: string;
  readonly series_instance_uid: string;
  /** Of the tombstone that spoke last. */
  readonly sequence: number;
  readonly withheld: boolean;
  readonly reason: TombstoneReason;
  /** Shown again when it is received again. */
  readonly admits_again: boolean;
  /** When its bytes go; null: never. */
  readonly erase_at: NullableTimestamp;
  /** They are gone, or never came. One that comes after that is due again. */
  readonly erased: ColumnType<boolean, boolean | undefined, boolean>;
  /** The rejection note that alone hides it: it may take that back. Null where others do, or nobody knows. */
  readonly note: ColumnType<string | null, string | null | undefined, string | null>;
  /** Rejected by a note, whoever else hides it: shown again only by who names it. */
  readonly rejected: ColumnType<boolean, boolean | undefined, boolean>;
  /** The one note that rejected it; null for several. */
  readonly rejecting_note: ColumnType<string | null, string | null | undefined, string | null>;
  /** Whether all notes that rejected it let it come again; null where none did, or nobody knows. */
  readonly rejection_admits: ColumnType<boolean | null, boolean | null | undefined, boolean | null>;
  /** Whether persons and retention, beside notes and Callosum, let it come again; true where none said anything, null where nobody knows. */
  readonly others_admit: ColumnType<boolean | null, boolean | null | undefined, boolean | null>;
  /** Of `erase_at`, what notes said: null where one of them is no matter of retention, for what that rejects is evidence. */
  readonly rejection_erase_at: NullableTimestampOrNone;
  /** Of `erase_at`, what persons and retention said. */
  readonly others_erase_at: NullableTimestampOrNone;
  /** The sequence at which the parts of `admits_again` and `erase_at` were said: behind an older version's word they say nothing. */
  readonly parts_at: ColumnType<number | null, number | null | undefined, number | null>;
  /** The sequence of the last word of a note that stands in `rejection_erase_at`; null where nobody knows. */
  readonly rejection_said_at: ColumnType<number | null, number | null | undefined, number | null>;
  /** The same of persons and retention, and `others_erase_at`. */
  readonly others_said_at: ColumnType<number | null, number | null | undefined, number | null>;
  /** Withdrawn by Callosum with its images, whoever else hides it: Callosum publishes it again. */
  readonly withdrawn: ColumnType<boolean, boolean | undefined, boolean>;
}

// Of the row `w`. Its reason too: a replica of the version before writes no more, nor do rows that are older.
export const isRejected = sql<boolean>`(w.rejected or w.reason = 'rejection-note')`;
export const isWithdrawn = sql<boolean>`(w.withdrawn or w.reason = 'result-withdrawn')`;
const isInParts = sql<boolean>`w.parts_at = w.sequence`;
/** Of one that is rejected; as far as it is known. */
export const rejectionAdmits = sql<boolean>`coalesce(case when ${isInParts} then w.rejection_admits end, w.admits_again)`;
/**
 * As far as it is known: a replica of the version before says it by its reason alone. Where all who hide it let it come
 * again, others do, and so do they where a note alone hides it.
 */
export const othersAdmit = sql<boolean | null>`(w.reason <> 'person' and case when ${isInParts} then w.others_admit
  when w.admits_again or w.note is not null then true end)`;
/**
 * Where nobody says whose time it is: that of others, unless a note alone hides it, or only notes and Callosum, who says
 * none, ever hid anything of its study.
 */
const isOthersTime = sql<boolean>`(w.note is null and (not ${isRejected} or w.reason in ('person', 'retention')
  or exists (select 1 from tombstone t where t.site = w.site and t.study_instance_uid = w.study_instance_uid
    and t.sequence <= w.sequence and t.effect = 'hidden' and t.reason in ('person', 'retention'))))`;
export const othersEraseAt = sql<Date | null>`case when ${isInParts} then w.others_erase_at
  when ${isOthersTime} then w.erase_at end`;
export const rejectionEraseAt = sql<Date | null>`case when ${isInParts} then w.rejection_erase_at
  when not ${isOthersTime} then w.erase_at end`;
/**
 * Which word said a time. Where nobody knows, the last one: a replica of the version before leaves an earlier one, and
 * fewer bytes go then.
 */
export const othersSaidAt = sql<number>`coalesce(w.others_said_at, w.sequence)`;
export const rejectionSaidAt = sql<number>`coalesce(w.rejection_said_at, w.sequence)`;
/** The one note that rejected it; null for several, or where nobody knows. */
export const rejectingNote = sql<string | null>`coalesce(w.rejecting_note, w.note)`;
/**
 * The same, for what decides about bytes and not about what is shown: where nobody knows, others do if no person ever hid
 * anything of its study, for a note or retention alone is no person's word.
 */
export const othersAdmitAsRecorded = sql<boolean>`coalesce(${othersAdmit}, w.admits_again or not exists (
  select 1 from tombstone t where t.site = w.site and t.study_instance_uid = w.study_instance_uid
    and t.sequence <= w.sequence and t.effect = 'hidden' and t.reason = 'person'))`;
/** A note keeps it hidden when it comes again, and nobody else does. */
export const isEvidence = sql<boolean>`(not w.admits_again and ${isRejected} and not ${rejectionAdmits}
  and ${othersAdmitAsRecorded})`;
/** Evidence that retention let go of: a time is retention's then, for no note has one where another keeps it. */
export const isLetGoToo = sql<boolean>`(${isEvidence} and (w.reason = 'retention' or w.erase_at is not null
  or (w.note is null and ${rejectingNote} is not null and not ${isWithdrawn})))`;

/** Studies of which nothing may be erased. */
export interface LegalHoldRow {
  readonly site: string;
  readonly study_instance_uid: string;
  readonly actor: string;
  readonly placed_at: Timestamp;
}

/** Up to which sequence this database is known to have every tombstone that lies beside the blobs. */
export interface TombstoneReplayRow {
  readonly site: string;
  readonly through: number;
}

async function createTombstones(db: Kysely<unknown>): Promise<void> {
  await sql`create table tombstone (
    site text not null,
    study_instance_uid text not null,
    sequence bigint not null,
    tombstone_id text not null unique,
    effect text not null check (effect in ('hidden', 'restored', 'erased', 'held', 'released')),
    reason text not null
      check (reason in ('person', 'retention', 'rejection-note', 'result-withdrawn', 'received-again')),
    code_value text,
    code_scheme text,
    actor text not null,
    cause text,
    instance_count integer not null,
    recorded_at timestamptz not null,
    primary key (site, study_instance_uid, sequence)
  )`.execute(db);
  await sql`create unique index tombstone_by_cause on tombstone (site, cause) where cause is not null`.execute(db);
  await sql`create table withheld_instance (
    site text not null,
    study_instance_uid text not null,
    sop_instance_uid text not null,
    series_instance_uid text not null,
    sequence bigint not null,
    withheld boolean not null,
    reason text not null,
    admits_again boolean not null,
    erase_at timestamptz,
    primary key (site, study_instance_uid, sop_instance_uid)
  )`.execute(db);
  await sql`create table legal_hold (
    site text not null,
    study_instance_uid text not null,
    actor text not null,
    placed_at timestamptz not null,
    primary key (site, study_instance_uid)
  )`.execute(db);
  // A replica of the version before writes rows without these: they are shown, as it knows it.
  await sql`alter table intake add column withheld boolean not null default false, add column erased_at timestamptz`.execute(
    db,
  );
}

async function createErasure(db: Kysely<unknown>): Promise<void> {
  await sql`alter table withheld_instance add column erased boolean not null default false`.execute(db);
  await sql`alter table intake add column erasing boolean not null default false`.execute(db);
  await sql`create table tombstone_replay (site text primary key, through bigint not null)`.execute(db);
}

async function createHidingNotes(db: Kysely<unknown>): Promise<void> {
  await sql`alter table withheld_instance add column note text`.execute(db);
}

/** Rows of before say it by their reason, as far as it is known. */
async function createRejections(db: Kysely<unknown>): Promise<void> {
  await sql`alter table withheld_instance add column rejected boolean not null default false,
    add column rejecting_note text, add column withdrawn boolean not null default false`.execute(db);
}

async function createRejectionAdmits(db: Kysely<unknown>): Promise<void> {
  await sql`alter table withheld_instance add column rejection_admits boolean`.execute(db);
}

async function createOthersAdmit(db: Kysely<unknown>): Promise<void> {
  await sql`alter table withheld_instance add column others_admit boolean`.execute(db);
}

async function createParts(db: Kysely<unknown>): Promise<void> {
  await sql`alter table withheld_instance add column rejection_erase_at timestamptz,
    add column others_erase_at timestamptz, add column parts_at bigint`.execute(db);
}

async function createAcknowledged(db: Kysely<unknown>): Promise<void> {
  await sql`alter table intake add column acknowledged_at timestamptz`.execute(db);
}

async function createSaidAt(db: Kysely<unknown>): Promise<void> {
  await sql`alter table tombstone add column revised_at timestamptz`.execute(db);
  await sql`alter table withheld_instance add column rejection_said_at bigint, add column others_said_at bigint`.execute(
    db,
  );
}

export const tombstoneMigrations: Migrations = {
  '0003-tombstones': { up: createTombstones },
  '0004-withheld-instances': addIndexes({
    name: 'intake_withheld',
    table: 'intake',
    on: '(site, study_instance_uid, sop_instance_uid) where withheld and erased_at is null',
  }),
  '0005-erasure': { up: createErasure },
  '0006-due-erasures': addIndexes({
    name: 'withheld_due',
    table: 'withheld_instance',
    on: '(site, erase_at) where withheld and not erased and erase_at is not null',
  }),
  '0007-erasures-under-way': addIndexes({ name: 'intake_erasing', table: 'intake', on: '(site, id) where erasing' }),
  '0008-hiding-notes': { up: createHidingNotes },
  // Beside intake_study, which has the current ones: decisions are about all that is kept of a study.
  '0009-not-current': addIndexes({
    name: 'intake_not_current',
    table: 'intake',
    on: '(site, study_instance_uid) where not current',
  }),
  '0010-rejections': { up: createRejections },
  '0011-rejection-admits': { up: createRejectionAdmits },
  '0012-others-admit': { up: createOthersAdmit },
  '0013-parts': { up: createParts },
  '0014-acknowledged': { up: createAcknowledged },
  '0015-said-at': { up: createSaidAt },
};
