import type { StatedCompleteness } from '../domain/completeness.js';
import { type ProcedureStep, supersedes } from '../domain/procedure-step.js';
import type { StudyProgress } from '../domain/study.js';

/** What procedure steps say of studies, in the transaction of the index. */
export interface Statements {
  /**
   * Locks the study until the transaction ends; without one, whoever makes its row waits until then, and sees what this
   * transaction wrote.
   * @returns undefined where nothing of the study is indexed yet
   */
  lockStudyOfStep(studyInstanceUid: string): Promise<StudyProgress | undefined>;
  stepsOf(studyInstanceUid: string): Promise<readonly ProcedureStep[]>;
  putStep(studyInstanceUid: string, step: ProcedureStep): Promise<void>;
  /** Holds the steps of a study against its series as they are now. */
  judge(studyInstanceUid: string): Promise<StatedCompleteness>;
  /** Tells that these series are whole by stated counts; each once for a revision. */
  tellWholeSeries(studyInstanceUid: string, revision: number, seriesInstanceUids: readonly string[]): Promise<void>;
  /** The study is looked at without delay: it needs no quiet period any more, or what held it back has changed. */
  lookNow(studyInstanceUid: string): Promise<void>;
  /** A study that is held back after its quiet period is looked at without delay, and what it may wait begins anew. */
  lookAgainIfHeld(studyInstanceUid: string): Promise<void>;
}

/** What became of a fact about a procedure step. */
export type StepOutcome = 'recorded' | 'outdated' | 'too-many';

/** An examination has a handful of steps; a sender that makes more of one study states nothing further of it. */
export const stepsMax = 200;

/**
 * Takes up what a modality said of a step, before or after the study's instances. A study that is complete stays so:
 * only instances open a revision.
 */
export async function recordProcedureStep(
  statements: Statements,
  studyInstanceUid: string,
  told: ProcedureStep,
): Promise<StepOutcome> {
  const study = await statements.lockStudyOfStep(studyInstanceUid);
  const known = await statements.stepsOf(studyInstanceUid);
  const before = known.find(({ procedureStepUid }) => procedureStepUid === told.procedureStepUid);
  if (!supersedes(told, before)) return 'outdated';
  if (!before && known.length >= stepsMax) return 'too-many';
  await statements.putStep(studyInstanceUid, told);
  if (study?.state === 'receiving') {
    await settleStated(statements, studyInstanceUid, study.revision, true);
    await statements.lookAgainIfHeld(studyInstanceUid);
  }
  return 'recorded';
}

/**
 * A study that receives is held against its steps: whole series are told of, and a study that has become whole waits for
 * no quiet.
 * @param mayBeWholeNow false for a correction: it changes no count, and others follow it, each of which would close a
 *   revision of its own
 */
export async function settleStated(
  statements: Statements,
  studyInstanceUid: string,
  revision: number,
  mayBeWholeNow: boolean,
): Promise<void> {
  const { isWhole, wholeSeries } = await statements.judge(studyInstanceUid);
  if (wholeSeries.length > 0) await statements.tellWholeSeries(studyInstanceUid, revision, wholeSeries);
  if (isWhole && mayBeWholeNow) await statements.lookNow(studyInstanceUid);
}
