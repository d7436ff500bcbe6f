import { topics } from '@callosum/contracts';
import { type QueryExecutorProvider, sql } from 'kysely';

import type { AcknowledgedInstances } from '../application/complete-studies.js';
import { group } from '../tokens.js';

type Acknowledged = Awaited<ReturnType<AcknowledgedInstances['sourceInstancesOf']>>;

/**
 * How many of the instances that the archive acknowledged of a study the index lacks, or has in an older revision only.
 * One whose fact a person gave up is none of them: nobody will index it.
 */
export async function countUnindexed(
  on: QueryExecutorProvider,
  studyInstanceUid: string,
  acknowledged: Acknowledged,
): Promise<number> {
  if (acknowledged.length === 0) return 0;
  // One look by primary key each, never a join: of a large study the planner would make one that reads the whole table.
  const { rows } = await sql<{ uid: string; revision: number }>`
    select kept.uid, kept.revision
    from unnest(${acknowledged.map(({ sopInstanceUid }) => sopInstanceUid)}::text[],
      ${acknowledged.map(({ revision }) => revision)}::integer[]) as kept (uid, revision)
    where kept.revision > coalesce(
      (select instance_revision from instance where sop_instance_uid = kept.uid collate "C"), 0)`.execute(on);
  if (rows.length === 0) return 0;
  const givenUp = await revisionsGivenUp(on, studyInstanceUid);
  return rows.filter(({ uid, revision }) => (givenUp.get(uid) ?? 0) < revision).length;
}

/** The newest revision of each instance whose fact a person dropped. Few rows, and only asked when something is missing. */
async function revisionsGivenUp(
  on: QueryExecutorProvider,
  studyInstanceUid: string,
): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql<{ value: string }>`
    select value from dropped
    where consumer_group = ${group} and topic = ${topics.instanceStored.name} and key = ${studyInstanceUid}`.execute(
    on,
  );
  const newest = new Map<string, number>();
  for (const { value } of rows) {
    const fact = readFact(value);
    if (!fact?.current) continue;
    newest.set(fact.sopInstanceUid, Math.max(fact.instanceRevision, newest.get(fact.sopInstanceUid) ?? 0));
  }
  return newest;
}

/** Undefined for what is no such fact: that it could not be read is why it was dropped. */
function readFact(value: string) {
  try {
    return topics.instanceStored.message.fromJSON(JSON.parse(value));
  } catch {
    return undefined;
  }
}
