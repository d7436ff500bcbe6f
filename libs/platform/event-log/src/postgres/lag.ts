import { sql, type QueryExecutorProvider } from 'kysely';

import type { PartitionLag } from '../event-log.js';
import { partitionsOf } from '../partition.js';

/** More is "a lot" for every decision made on it, and counting goes no further. */
export const lagEventsMax = 100_000;

/** Events after the group's position in each partition; all that are kept where it has none. */
export async function postgresLag(
  db: QueryExecutorProvider,
  group: string,
  topics: readonly string[],
): Promise<PartitionLag[]> {
  const places = [...topics]
    .sort((a, b) => a.localeCompare(b))
    .flatMap((topic) => Array.from({ length: partitionsOf(topic) }, (_, partition) => ({ topic, partition })));
  const { rows } = await sql<PartitionLag>`
    select p.topic, p.partition, waiting.events
    from unnest(
      ${places.map(({ topic }) => topic)}::text[], ${places.map(({ partition }) => partition)}::int[]
    ) with ordinality as p (topic, partition, place)
    left join event_log.cursors as c
      on c.consumer_group = ${group} and c.topic = p.topic and c.partition = p.partition
    cross join lateral (
      select count(*)::int as events from (
        select 1 from event_log.events as e
        where e.topic = p.topic and e.partition = p.partition
          and (e.xid, e.position) > (coalesce(c.xid, '0'::xid8), coalesce(c.position, 0))
        limit ${lagEventsMax}
      ) as counted
    ) as waiting
    order by p.place`.execute(db);
  return [...rows];
}
