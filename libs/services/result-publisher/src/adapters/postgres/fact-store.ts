import type { Database } from '@callosum/database';
import { Inbox } from '@callosum/event-log';

import type { Fact, FactStore, StudyRecord } from '../../application/facts.js';
import { PostgresStudyRecord } from './study-record.js';
import type { Tables } from './tables.js';

/** The service's consumer group. */
export const consumerGroup = 'result-publisher';

export class PostgresFactStore implements FactStore {
  constructor(
    private readonly database: Database<Tables>,
    /** Told after each committed fact: something may be due now. */
    private readonly onRecorded: () => void,
  ) {}

  async once(fact: Fact, studyInstanceUid: string, work: (study: StudyRecord) => Promise<void>): Promise<void> {
    await this.database.db.transaction().execute(async (trx) => {
      if (!(await Inbox.once(trx, consumerGroup, fact))) return;
      const study = new PostgresStudyRecord(trx, studyInstanceUid, fact.origin);
      await study.lock();
      await work(study);
    });
    this.onRecorded();
  }
}
