import type { Archive } from '@callosum/archive';
import { imaging, type operations } from '@callosum/contracts';
import type { StudyStatusPart } from '@callosum/runtime';
import type { Kysely } from 'kysely';

import type { StudyIndexTables } from './tables.js';

const evidences = new Set<string>(Object.values(imaging.CompletenessEvidence));

/** What the archive keeps of a study, and how complete it is. Attributes of the study are not read. */
export class StudyStatus {
  constructor(
    private readonly db: Kysely<StudyIndexTables>,
    private readonly archive: Pick<Archive, 'intakeOf'>,
  ) {}

  async of(studyInstanceUid: string): Promise<StudyStatusPart> {
    const [intake, indexed] = await Promise.all([this.#intake(studyInstanceUid), this.#indexed(studyInstanceUid)]);
    return { intake, ...indexed };
  }

  async #intake(studyInstanceUid: string): Promise<operations.StudyIntake | undefined> {
    const kept = await this.archive.intakeOf(studyInstanceUid);
    return (
      kept && {
        instances: kept.instances,
        bytes: BigInt(kept.bytes),
        issuedByCallosum: kept.issued,
        firstStoredAt: kept.firstStoredAt?.toISOString(),
        lastStoredAt: kept.lastStoredAt?.toISOString(),
      }
    );
  }

  async #indexed(studyInstanceUid: string): Promise<StudyStatusPart> {
    const study = await this.db
      .selectFrom('study')
      .select(['revision', 'state', 'instance_count', 'series_count', 'quiet_until', 'completed_at', 'traceparent'])
      .where('study_instance_uid', '=', studyInstanceUid)
      .executeTakeFirst();
    if (!study) return {};
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
      evidence: closed && evidences.has(closed.evidence) ? closed.evidence : '',
    };
    return { completeness, traceparents: [study.traceparent] };
  }
}
