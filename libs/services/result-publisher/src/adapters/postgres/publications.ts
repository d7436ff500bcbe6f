import { results, topics } from '@callosum/contracts';
import type { Database } from '@callosum/database';
import type { Outbox } from '@callosum/event-log';
import type { Clock } from '@callosum/kernel';

import type { ClaimedPublication, PublicationKind, PublicationOutcome } from '../../application/ports.js';
import type { Publications } from '../../application/work-off-publication.js';
import { PublicationQueue } from './publication-queue.js';
import type { Tables } from './tables.js';

const kinds: Readonly<Record<PublicationKind, results.PublicationKind>> = {
  'imaging-study': results.PublicationKind.PUBLICATION_KIND_IMAGING_STUDY,
  result: results.PublicationKind.PUBLICATION_KIND_RESULT,
  failure: results.PublicationKind.PUBLICATION_KIND_FAILURE,
  correction: results.PublicationKind.PUBLICATION_KIND_CORRECTION,
};

/** The queue, and beside each success the fact of it in the outbox: one transaction for both. */
export class PostgresPublications extends PublicationQueue implements Publications {
  constructor(
    private readonly database: Database<Tables>,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
  ) {
    super(database.db);
  }

  async succeed(claim: ClaimedPublication, outcome: PublicationOutcome): Promise<void> {
    const at = this.clock.now();
    await this.database.db.transaction().execute(async (trx) => {
      await this.record(trx, claim, outcome, at);
      await this.outbox.add(trx, topics.resultPublished, published(claim, outcome, at), {
        ...(claim.correlationId ? { correlationId: claim.correlationId } : {}),
        ...(claim.causationId ? { causationId: claim.causationId } : {}),
      });
    });
  }
}

function published(claim: ClaimedPublication, outcome: PublicationOutcome, at: Date): results.ResultPublished {
  return {
    studyInstanceUid: claim.studyInstanceUid,
    kind: kinds[claim.kind],
    studyRevision: outcome.studyRevision,
    jobId: claim.jobId ?? '',
    decisionId: outcome.decisionId,
    patientReference: outcome.patientReference,
    imagingStudyReference: outcome.imagingStudy,
    diagnosticReportReference: outcome.diagnosticReport,
    observationReferences: [...outcome.observations],
    taskReference: outcome.task,
    segSopInstanceUid: outcome.segSopInstanceUid,
    srSopInstanceUid: outcome.srSopInstanceUid,
    publishedAt: at.toISOString(),
  };
}
