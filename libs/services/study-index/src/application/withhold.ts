import { NotIndexedError } from '../domain/errors.js';
import type { InstanceRecord } from '../domain/instance.js';
import type { QuietPeriods } from '../domain/study.js';
import { type IndexTransaction, settleStudy } from './index-instance.js';
import type { ReceivedInstance, Withholding } from './withholdings.js';

/**
 * Takes withheld instances out of the index, and keeps those out that come later. A source instance that leaves opens a
 * revision like one that comes: jobs and reports follow the study's completion.
 * @returns how many left
 */
export async function withholdInstances(
  transaction: IndexTransaction,
  withholding: Withholding,
  periods: QuietPeriods,
): Promise<number> {
  const { studyInstanceUid } = withholding;
  const study = await transaction.lockStudyOfStep(studyInstanceUid);
  const concerned = await transaction.recordWithholding(withholding, true);
  if (!study || concerned.length === 0) return 0;
  const gone = await transaction.deleteInstances(studyInstanceUid, concerned);
  if (gone.length === 0) return 0;
  for (const series of new Set(gone.map((one) => one.seriesInstanceUid)))
    await transaction.summariseSeries(studyInstanceUid, series);
  const effect = gone.every((one) => one.issuedByCallosum) ? 'issued' : 'source';
  await settleStudy(transaction, studyInstanceUid, study, effect, { associationId: '', grew: false }, periods);
  return gone.length;
}

/**
 * Takes back what a tombstone said: the instances are indexed as the archive holds them now.
 * @param records of those that the archive shows
 */
export async function restoreInstances(
  transaction: IndexTransaction,
  withholding: Withholding,
  records: readonly InstanceRecord[],
  periods: QuietPeriods,
): Promise<number> {
  const { studyInstanceUid } = withholding;
  await transaction.lockStudyOfStep(studyInstanceUid);
  const concerned = new Set(await transaction.recordWithholding(withholding, false));
  const [first, ...others] = records.filter(({ sopInstanceUid }) => concerned.has(sopInstanceUid));
  if (!first) return 0;
  const study = (await transaction.lockStudies([studyInstanceUid], first)).get(studyInstanceUid);
  if (!study) throw new NotIndexedError('study', studyInstanceUid);
  const back: InstanceRecord[] = [];
  for (const record of [first, ...others]) {
    const before = await transaction.findInstance(record.sopInstanceUid);
    if (before && before.instanceRevision >= record.instanceRevision) continue;
    back.push(record);
  }
  if (back.length === 0) return 0;
  await transaction.putInstances(back);
  for (const series of new Set(back.map((one) => one.seriesInstanceUid)))
    await transaction.summariseSeries(studyInstanceUid, series);
  const effect = back.every((one) => one.issuedByCallosum) ? 'issued' : 'source';
  await settleStudy(transaction, studyInstanceUid, study, effect, { associationId: '', grew: true }, periods);
  return back.length;
}

/** An instance came that the archive withholds: nobody waits for it any more. */
export async function countWithheld(transaction: IndexTransaction, instance: ReceivedInstance): Promise<void> {
  await transaction.lockStudyOfStep(instance.studyInstanceUid);
  await transaction.receiveWithheld(instance);
  await transaction.lookAgainIfHeld(instance.studyInstanceUid);
}
