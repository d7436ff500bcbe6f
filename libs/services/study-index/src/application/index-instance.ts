import { imaging } from '@callosum/contracts';

import { IndexContentionError } from '../domain/errors.js';
import { type IdentityAttributes, noIdentity, type StudyIdentity, studyIdentity } from '../domain/identity.js';
import type { InstanceRecord } from '../domain/instance.js';
import { advance, type Effect, type QuietPeriods, type StudyProgress } from '../domain/study.js';
import { settleStated, type Statements } from './statements.js';
import type { Withholdings } from './withholdings.js';

/** The row of an instance that the index holds now. */
export interface IndexedInstance {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly instanceRevision: number;
  readonly sha256: string;
  readonly issuedByCallosum: boolean;
}

/** One transaction over the index; everything in it happens or nothing does. */
export interface IndexTransaction extends Statements, Withholdings {
  /** Locks these studies until the transaction ends, making rows for unknown ones. */
  lockStudies(uids: readonly string[], first?: InstanceRecord): Promise<ReadonlyMap<string, StudyProgress>>;
  findInstance(sopInstanceUid: string): Promise<IndexedInstance | undefined>;
  /** By SOP Instance UID those of them that are indexed. */
  findInstances(sopInstanceUids: readonly string[]): Promise<ReadonlyMap<string, IndexedInstance>>;
  /** Each once. */
  putInstances(records: readonly InstanceRecord[]): Promise<void>;
  deleteInstance(sopInstanceUid: string): Promise<void>;
  /** Counts and attributes of a series again; its row goes with its last instance. */
  summariseSeries(studyInstanceUid: string, seriesInstanceUid: string): Promise<void>;
  /** Distinct identity attributes of the study, in the order they were first stored; source instances' where there are any. */
  identityVersions(studyInstanceUid: string): Promise<readonly IdentityAttributes[]>;
  /** Writes progress and identity, counts and attributes again, and the deadline where a quiet period begins anew. */
  saveStudy(
    studyInstanceUid: string,
    progress: StudyProgress,
    identity: StudyIdentity,
    quietPeriod: QuietPeriodStart | undefined,
  ): Promise<void>;
  tell(update: { studyInstanceUid: string; progress: StudyProgress; changes: imaging.StudyChange[] }): Promise<void>;
}

/** A source instance came or went: which periods hold, and which association brought it. */
export interface QuietPeriodStart {
  readonly periods: QuietPeriods;
  readonly associationId: string;
}

/** `withheld`: a tombstone names it, and the index does not. */
export type IndexOutcome = 'indexed' | 'refreshed' | 'superseded' | 'withheld';

const changeOf = {
  created: imaging.StudyChange.STUDY_CHANGE_CREATED,
  identity: imaging.StudyChange.STUDY_CHANGE_IDENTITY,
  results: imaging.StudyChange.STUDY_CHANGE_RESULTS,
  reopened: imaging.StudyChange.STUDY_CHANGE_REOPENED,
} as const;

/**
 * Puts one current instance into the index. The same instance again changes nothing; a newer blob of it (rule 2)
 * replaces the older one, also when the correction moved it to another study or series; an older one is passed over.
 * @param revisionFloor see `advance`
 */
export async function indexInstance(
  transaction: IndexTransaction,
  record: InstanceRecord,
  periods: QuietPeriods,
  revisionFloor = 0,
): Promise<IndexOutcome> {
  const seen = await transaction.findInstance(record.sopInstanceUid);
  if (seen && seen.instanceRevision > record.instanceRevision) return 'superseded';
  const studies = new Set([record.studyInstanceUid, ...(seen ? [seen.studyInstanceUid] : [])]);
  // One order for every transaction: two that move instances between the same studies cannot deadlock.
  const locked = await transaction.lockStudies([...studies].sort(), record);
  // Read again under the lock: a concurrent transaction may have moved it.
  const before = await transaction.findInstance(record.sopInstanceUid);
  if (before && (before.instanceRevision > record.instanceRevision || !locked.has(before.studyInstanceUid))) {
    throw new IndexContentionError(record.sopInstanceUid);
  }
  // Whichever of the two facts came first, its storing or its hiding.
  if ((await transaction.withheldOf(record.studyInstanceUid, [record.sopInstanceUid])).size > 0) {
    await transaction.receiveWithheld(record);
    return 'withheld';
  }
  const unchanged = isUnchanged(before, record);
  await transaction.putInstances([record]);
  await transaction.summariseSeries(record.studyInstanceUid, record.seriesInstanceUid);
  if (before && moved(before, record))
    await transaction.summariseSeries(before.studyInstanceUid, before.seriesInstanceUid);
  const isNew = !before || moved(before, record);
  for (const [uid, progress] of locked) {
    const effect: Effect = unchanged ? 'none' : effectOn(uid, before, record);
    const grew = isNew && uid === record.studyInstanceUid;
    await settleStudy(transaction, uid, progress, effect, { ...record, grew }, periods, revisionFloor);
  }
  return unchanged ? 'refreshed' : 'indexed';
}

/** Takes an instance out that the archive has no more; a source instance that leaves opens a revision like one that comes. */
export async function removeInstance(
  transaction: IndexTransaction,
  sopInstanceUid: string,
  periods: QuietPeriods,
): Promise<void> {
  const gone = await transaction.findInstance(sopInstanceUid);
  if (!gone) return;
  const locked = await transaction.lockStudies([gone.studyInstanceUid]);
  await transaction.deleteInstance(sopInstanceUid);
  await transaction.summariseSeries(gone.studyInstanceUid, gone.seriesInstanceUid);
  for (const [uid, progress] of locked) {
    const effect = gone.issuedByCallosum ? 'issued' : 'source';
    await settleStudy(transaction, uid, progress, effect, { associationId: '', grew: false }, periods);
  }
}

/** The same bytes where they were: only its rows are written again. */
export const isUnchanged = (before: IndexedInstance | undefined, record: InstanceRecord): boolean =>
  before !== undefined && before.sha256 === record.blob.sha256 && !moved(before, record);

const moved = (before: IndexedInstance, record: InstanceRecord): boolean =>
  before.studyInstanceUid !== record.studyInstanceUid || before.seriesInstanceUid !== record.seriesInstanceUid;

/** The instance's new study is told of what came, its former one of what left. */
function effectOn(uid: string, before: IndexedInstance | undefined, record: InstanceRecord): Effect {
  const came = uid === record.studyInstanceUid && !record.issuedByCallosum;
  const left = uid === before?.studyInstanceUid && !before.issuedByCallosum;
  return came || left ? 'source' : 'issued';
}

/** What an instance that came or went makes of its study: progress, identity, counts, and what others are told. */
export async function settleStudy(
  transaction: IndexTransaction,
  uid: string,
  before: StudyProgress,
  effect: Effect,
  { associationId, grew }: { readonly associationId: string; readonly grew: boolean },
  periods: QuietPeriods,
  revisionFloor = 0,
): Promise<void> {
  const versions = await transaction.identityVersions(uid);
  const identity = versions.length > 0 ? studyIdentity(versions) : noIdentity;
  const { progress, changes, restartsQuietPeriod } = advance(before, effect, identity.digest, revisionFloor);
  await transaction.saveStudy(uid, progress, identity, restartsQuietPeriod ? { periods, associationId } : undefined);
  if (changes.length > 0)
    await transaction.tell({ studyInstanceUid: uid, progress, changes: changes.map((change) => changeOf[change]) });
  // After the fact that opens the revision: whole series are told of within it.
  if (restartsQuietPeriod) await settleStated(transaction, uid, progress.revision, grew);
}
