import type { InstanceRecord } from '../domain/instance.js';
import { NotTogetherError } from '../domain/errors.js';
import type { QuietPeriods } from '../domain/study.js';
import {
  type IndexedInstance,
  type IndexOutcome,
  type IndexTransaction,
  isUnchanged,
  settleStudy,
} from './index-instance.js';

/** One instance of several, and the revision its study is at least at. */
export interface TogetherRecord {
  readonly record: InstanceRecord;
  /** See `advance`. */
  readonly revisionFloor: number;
}

/**
 * Puts current instances of one study into the index, as `indexInstance` would one after the other: but the study is locked,
 * counted, judged and told of once. What is looked at of a study grows with it, so that a series of thousands of slices
 * would cost thousands of times as much.
 * @param arrived one at least, in the order they came
 * @throws {NotTogetherError} where one of them does more than to come or to be corrected where it is: before anything is written
 */
export async function indexTogether(
  transaction: IndexTransaction,
  arrived: readonly TogetherRecord[],
  periods: QuietPeriods,
): Promise<IndexOutcome[]> {
  const records = arrived.map(({ record }) => record);
  const studyInstanceUid = studyOf(records);
  const uids = records.map(({ sopInstanceUid }) => sopInstanceUid);
  const locked = await transaction.lockStudies([studyInstanceUid], records[0]);
  const before = await transaction.findInstances(uids);
  if (records.some((record) => !staysWhereItIs(before.get(record.sopInstanceUid), record)))
    throw new NotTogetherError('an instance is in another place, or newer than what came');
  // Whichever of the two facts came first, its storing or its hiding.
  if ((await transaction.withheldOf(studyInstanceUid, uids)).size > 0) throw new NotTogetherError('one is withheld');

  await transaction.putInstances(records);
  const series = new Set(records.map(({ seriesInstanceUid }) => seriesInstanceUid));
  for (const uid of series) await transaction.summariseSeries(studyInstanceUid, uid);
  const changed = arrived.filter(({ record }) => !isUnchanged(before.get(record.sopInstanceUid), record));
  const last = changed.at(-1)?.record;
  const came = {
    associationId: last?.associationId ?? '',
    grew: changed.some(({ record }) => !before.has(record.sopInstanceUid)),
  };
  const effect = !last ? 'none' : last.issuedByCallosum ? 'issued' : 'source';
  const floor = Math.max(0, ...changed.map(({ revisionFloor }) => revisionFloor));
  for (const [uid, progress] of locked) await settleStudy(transaction, uid, progress, effect, came, periods, floor);
  return records.map((record) => (isUnchanged(before.get(record.sopInstanceUid), record) ? 'refreshed' : 'indexed'));
}

/** @throws {NotTogetherError} where they are not of one study, some are issued by Callosum and some not, or one is there twice */
function studyOf(records: readonly InstanceRecord[]): string {
  const [first] = records;
  if (!first) throw new NotTogetherError('there is none');
  const { studyInstanceUid, issuedByCallosum } = first;
  if (
    records.some(
      (record) => record.studyInstanceUid !== studyInstanceUid || record.issuedByCallosum !== issuedByCallosum,
    )
  )
    throw new NotTogetherError('they are of several studies, or some issued here and some not');
  if (new Set(records.map(({ sopInstanceUid }) => sopInstanceUid)).size < records.length)
    throw new NotTogetherError('one of them came twice');
  return studyInstanceUid;
}

const staysWhereItIs = (before: IndexedInstance | undefined, record: InstanceRecord): boolean =>
  before === undefined ||
  (before.instanceRevision <= record.instanceRevision &&
    before.studyInstanceUid === record.studyInstanceUid &&
    before.seriesInstanceUid === record.seriesInstanceUid &&
    before.issuedByCallosum === record.issuedByCallosum);
