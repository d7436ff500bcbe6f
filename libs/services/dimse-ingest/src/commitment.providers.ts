import type { Archive } from '@callosum/archive';
import type { Database } from '@callosum/database';
import { Waker } from '@callosum/event-log';
import { ARCHIVE, DATABASE, SETTINGS } from '@callosum/runtime';
import { type Reading, reading } from '@callosum/telemetry';
import type { INestApplicationContext, Provider } from '@nestjs/common';

import type { CommitmentTables } from './adapters/commitment-tables.js';
import { DimseCommitters } from './adapters/dimse-committers.js';
import { DimseRequestors } from './adapters/dimse-requestors.js';
import { PeerOptions } from './adapters/peer-options.js';
import { PostgresAskedCommitments } from './adapters/postgres-asked-commitments.js';
import { PostgresCommitments } from './adapters/postgres-commitments.js';
import { AskForCommitment } from './application/ask-for-commitment.js';
import type { AskedCommitments, Commitments } from './application/commitment-ports.js';
import type { ApplicationEntities } from './application/ports.js';
import { ReportCommitments } from './application/report-commitments.js';
import { TakeCommitment } from './application/take-commitment.js';
import type { DimseIngestSettings } from './settings.js';
import { APPLICATION_ENTITIES, ASKED_COMMITMENTS, COMMITMENT_WAKER, COMMITMENTS } from './tokens.js';
import { CommitmentReportsLoop } from './transport/commitment-reports.loop.js';
import { CommitmentService } from './transport/dimse/commitment.service.js';

/** Storage commitment as provider (requests, their reports, and the loop that delivers them) and as user. */
export const commitmentProviders: Provider[] = [
  {
    provide: COMMITMENTS,
    useFactory: (database: Database<CommitmentTables>) => new PostgresCommitments(database),
    inject: [DATABASE],
  },
  { provide: COMMITMENT_WAKER, useFactory: () => new Waker() },
  {
    provide: TakeCommitment,
    useFactory: (commitments: Commitments) => new TakeCommitment(commitments),
    inject: [COMMITMENTS],
  },
  {
    provide: ReportCommitments,
    useFactory: (
      commitments: Commitments,
      archive: Archive,
      entities: ApplicationEntities,
      options: PeerOptions,
      { CALLOSUM_DIMSE_AE }: DimseIngestSettings,
    ) =>
      new ReportCommitments(
        commitments,
        { classesOf: (uids) => archive.keptClasses(uids) },
        new DimseRequestors(entities, options),
        CALLOSUM_DIMSE_AE,
      ),
    inject: [COMMITMENTS, ARCHIVE, APPLICATION_ENTITIES, PeerOptions, SETTINGS],
  },
  {
    provide: ASKED_COMMITMENTS,
    useFactory: (database: Database<CommitmentTables>) => new PostgresAskedCommitments(database),
    inject: [DATABASE],
  },
  {
    provide: AskForCommitment,
    useFactory: (asked: AskedCommitments, entities: ApplicationEntities, options: PeerOptions) =>
      new AskForCommitment(asked, new DimseCommitters(entities, options)),
    inject: [ASKED_COMMITMENTS, APPLICATION_ENTITIES, PeerOptions],
  },
  CommitmentService,
  CommitmentReportsLoop,
];

export async function commitmentGauges(app: INestApplicationContext): Promise<readonly Reading[]> {
  const { waiting, givenUp, oldestSeconds } = await app.get<Commitments>(COMMITMENTS).counts();
  return [
    reading('callosum.dimse.commitments', waiting, { 'callosum.outcome': 'waiting' }),
    reading('callosum.dimse.commitments', givenUp, { 'callosum.outcome': 'given-up' }),
    reading('callosum.dimse.commitments.oldest_age', oldestSeconds, {}),
  ];
}
