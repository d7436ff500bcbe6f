import type { Archive } from '@callosum/archive';
import { imaging, type operations } from '@callosum/contracts';
import type { StudyStatusPart } from '@callosum/runtime';
import type { Kysely } from 'kysely';

import { judgeStudy } from './statements.js';
import type { StudyIndexTables } from './tables.js';
import { unindexedOf } from './unindexed.js';

const evidences = new Set<string>(Object.values(imaging.CompletenessEvidence));

/** Instances that an answer names. */
const unindexedMax = 20;
/** Procedure steps, in the same way. */
const stepsMax = 20;

/** What the archive keeps of a study, and how complete it is. Attributes of the study are not read. */
export class StudyStatus {
  constructor(
    private readonly db: Kysely<StudyIndexTables>,
    private readonly archive: Pick<Archive, 'intakeOf' | 'sourceInstancesOf'>,
  ) {}

  async of(studyInstanceUid: string): Promise<StudyStatusPart> {
    const [intake, indexed] = await Promise.all([this.#intake(studyInstanceUid), this.#indexed(studyInstanceUid)]);
    return { intake, ...indexed };
  }

  async #intake(studyInstanceUid: string): Promise<operations.StudyIntake | undefined> {
    const kept = await this.archive.intakeOf(studyInstanceUid);
    if (!kept) return undefined;
    const acknowledged = await this.archive.sourceInstancesOf(studyInstanceUid);
    const unindexed = await unindexedOf(this.db, studyInstanceUid, acknowledged);
    return {
      instances: kept.instances,
      bytes: BigInt(kept.bytes),
      issuedByCallosum: kept.issued,
      firstStoredAt: kept.firstStoredAt?.toISOString(),
      lastStoredAt: kept.lastStoredAt?.toISOString(),
      unindexed: unindexed.slice(0, unindexedMax).map(({ sopInstanceUid, revision, storedAt }) => ({
        sopInstanceUid,
        revision,
        storedAt: storedAt.toISOString(),
      })),
      unindexedTotal: unindexed.length,
    };
  }

  async #indexed(studyInstanceUid: string): Promise<StudyStatusPart> {
    const study = await this.db
      .selectFrom('study')
      .select([
        'revision',
        'state',
        'instance_count',
        'series_count',
        'quiet_until',
        'completed_at',
        'traceparent',
        'waiting_since',
        'held_since',
      ])
      .where('study_instance_uid', '=', studyInstanceUid)
      .executeTakeFirst();
    if (!study) return {};
    const { steps, judged } = await judgeStudy(this.db, studyInstanceUid);
    const closed = await this.db
      .selectFrom('revision')
      .select('evidence')
      .where('study_instance_uid', '=', studyInstanceUid)
      .orderBy('revision', 'desc')
      .executeTakeFirst();
    const completeness: operations.StudyCompleteness = {
      state: study.state,
      revision: study.revision,
      instances: study.instance_count,
      series: study.series_count,
      quietUntil: study.quiet_until?.toISOString(),
      completedAt: study.completed_at?.toISOString(),
      waitingSince: study.waiting_since?.toISOString(),
      heldSince: study.held_since?.toISOString(),
      evidence: closed && evidences.has(closed.evidence) ? closed.evidence : '',
      procedureSteps: steps.slice(0, stepsMax).map(({ procedureStepUid, status, changedAt, series }) => ({
        procedureStepUid,
        status,
        changedAt: changedAt.toISOString(),
        instances: series.reduce((sum, { instanceCount }) => sum + instanceCount, 0),
      })),
      procedureStepsTotal: steps.length,
      statedMissing: judged.missing,
    };
    return { completeness, traceparents: [study.traceparent] };
  }
}
