import { topics } from '@callosum/contracts';
import { type QueryExecutorProvider, sql } from 'kysely';

import type { AcknowledgedInstance } from '../application/complete-studies.js';
import { group } from '../tokens.js';

/**
 * Those instances that the archive acknowledged of a study and the index lacks, or has in an older revision only; the
 * longest kept first. One whose fact a person gave up is none of them: nobody will index it.
 */
export async function unindexedOf(
  on: QueryExecutorProvider,
  studyInstanceUid: string,
  acknowledged: readonly AcknowledgedInstance[],
): Promise<AcknowledgedInstance[]> {
  if (acknowledged.length === 0) return [];
  // One look by primary key each, never a join: of a large study the planner would make one that reads the whole table.
  const { rows } = await sql<{ uid: string }>`
    select kept.uid
    from unnest(${acknowledged.map(({ sopInstanceUid }) => sopInstanceUid)}::text[],
      ${acknowledged.map(({ revision }) => revision)}::integer[]) as kept (uid, revision)
    where kept.revision > coalesce(
      (select instance_revision from instance where sop_instance_uid = kept.uid collate "C"), 0)`.execute(on);
  if (rows.length === 0) return [];
  const uids = new Set(rows.map(({ uid }) => uid));
  const { revisions, unreadable } = await givenUpOf(on, studyInstanceUid);
  const missing = acknowledged
    .filter((one) => uids.has(one.sopInstanceUid) && (revisions.get(one.sopInstanceUid) ?? 0) < one.revision)
    .sort((a, b) => a.storedAt.getTime() - b.storedAt.getTime());
  return (await areThoseUnreadable(on, studyInstanceUid, missing, unreadable)) ? [] : missing;
}

interface GivenUp {
  /** The newest dropped revision of each instance. */
  readonly revisions: ReadonlyMap<string, number>;
  /** When facts were made of which nobody can say what they told. */
  readonly unreadable: readonly Date[];
}

/** What a person dropped of the study. Few rows, and only asked when something is missing. */
async function givenUpOf(on: QueryExecutorProvider, studyInstanceUid: string): Promise<GivenUp> {
  const { rows } = await sql<{ value: string; time: Date }>`
    select value, time from dropped
    where consumer_group = ${group} and topic = ${topics.instanceStored.name} and key = ${studyInstanceUid}`.execute(
    on,
  );
  const revisions = new Map<string, number>();
  const unreadable: Date[] = [];
  for (const { value, time } of rows) {
    const fact = readFact(value);
    if (!fact?.sopInstanceUid) unreadable.push(time);
    else if (fact.current)
      revisions.set(fact.sopInstanceUid, Math.max(fact.instanceRevision, revisions.get(fact.sopInstanceUid) ?? 0));
  }
  return { revisions, unreadable };
}

/**
 * True when dropped facts that nobody can read account for all that is missing: one for each instance, made after that
 * came. Facts of a study come in order, so what was told before a dropped one is indexed, dropped too, or parked; while
 * anything of the study is parked, that may be what is missing, and a person has not decided on it yet.
 */
async function areThoseUnreadable(
  on: QueryExecutorProvider,
  studyInstanceUid: string,
  missing: readonly AcknowledgedInstance[],
  unreadable: readonly Date[],
): Promise<boolean> {
  if (missing.length === 0 || missing.length > unreadable.length) return false;
  const newest = unreadable.map((time) => time.getTime()).sort((a, b) => b - a);
  const told = missing.toReversed().every(({ storedAt }, at) => storedAt.getTime() <= (newest[at] ?? 0));
  if (!told) return false;
  const { rows } = await sql`
    select 1 from parked
    where consumer_group = ${group} and topic = ${topics.instanceStored.name} and key = ${studyInstanceUid} limit 1`.execute(
    on,
  );
  return rows.length === 0;
}

/** Undefined for what is no such fact: that it could not be read is why it was dropped. */
function readFact(value: string) {
  try {
    return topics.instanceStored.message.fromJSON(JSON.parse(value));
  } catch {
    return undefined;
  }
}
