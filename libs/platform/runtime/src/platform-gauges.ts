import type { EventLog } from '@callosum/event-log';
import type { ObjectStore } from '@callosum/object-store';
import { type Logger, type Reading, reading, type Sampler, sampleGauges } from '@callosum/telemetry';
import { type QueryExecutorProvider, sql } from 'kysely';

import { certificateReadings } from './certificate-gauges.js';
import { archiveSchema } from './roles.js';

export interface PlatformGaugesOptions {
  readonly service: string;
  /** The service's own schema; the archive's outbox is read where the service stores. */
  readonly schema: string;
  readonly db: QueryExecutorProvider;
  readonly usesArchive: boolean;
  readonly log: EventLog;
  readonly objectStore: ObjectStore;
  /** Of certificates the service shows, by whom it shows them to. */
  readonly certificates?: Readonly<Record<string, string>>;
  /** Rows at which an outbox refuses more; counting further costs and tells nothing. */
  readonly outboxRowsMax: number;
  /** Of the archive's sweeper; undefined where another replica sweeps. */
  readonly unknownBlobs?: () => number | undefined;
  /** The service's own gauges. */
  readonly own: () => Promise<readonly Reading[]>;
  readonly logger: Logger;
}

/**
 * What waits: in outboxes, parked, behind the consumers, on the disk, and in the service's own rows. Each source has turns
 * of its own: a log that is away, or answers late, neither hides nor holds up what the database tells of its outbox.
 */
export function samplePlatformGauges(options: PlatformGaugesOptions): Sampler {
  const { service, schema, usesArchive, db, log, objectStore, outboxRowsMax, certificates = {} } = options;
  const { unknownBlobs, own, logger } = options;
  const outboxes = usesArchive ? [schema, archiveSchema] : [schema];
  const sources: Readonly<Record<string, () => Promise<readonly Reading[]>>> = {
    ...Object.fromEntries(outboxes.map((name) => [`outbox ${name}`, () => outboxReadings(db, name, outboxRowsMax)])),
    parked: () => parkedReadings(db, schema, service),
    lag: () => lagReadings(log, service),
    disk: () => diskReadings(objectStore),
    archive: async () => blobReadings(unknownBlobs?.()),
    certificates: () => certificateReadings(service, certificates),
    own: async () => own(),
  };
  const samplers = Object.entries(sources).map(([source, read]) =>
    sampleGauges(read, (err) => logger.debug({ err, source }, 'gauges.unread')),
  );
  return {
    sample: async () => void (await Promise.all(samplers.map((sampler) => sampler.sample()))),
    close: () => samplers.forEach((sampler) => sampler.close()),
  };
}

async function outboxReadings(db: QueryExecutorProvider, schema: string, rowsMax: number): Promise<Reading[]> {
  const { rows } = await sql<{ count: number; age: number }>`
    select count(*)::float8 as count, coalesce(extract(epoch from now() - min(time)), 0)::float8 as age
    from (select time from ${sql.id(schema, 'outbox')} order by id limit ${rowsMax}) as waiting`.execute(db);
  const labels = { 'callosum.schema': schema };
  return rows.flatMap(({ count, age }) => [
    reading('callosum.outbox.rows', count, labels),
    reading('callosum.outbox.rows_max', rowsMax, labels),
    reading('callosum.outbox.oldest_age', Math.max(0, age), labels),
  ]);
}

/**
 * A group with nothing parked reads 0: an alert must see it come back to that. What becomes of a key is told by its first
 * fact: without a time for the next attempt it and all behind it wait for a person.
 */
async function parkedReadings(db: QueryExecutorProvider, schema: string, service: string): Promise<Reading[]> {
  const { rows } = await sql<{ group: string; count: number; person: number; age: number }>`
    select consumer_group as "group", count(*)::float8 as count,
      (count(*) filter (where head_retry_at is null))::float8 as person,
      extract(epoch from now() - min(parked_at))::float8 as age
    from (
      select consumer_group, parked_at,
        first_value(retry_at) over (partition by consumer_group, topic, key order by id) as head_retry_at
      from ${sql.id(schema, 'parked')}
    ) as parked group by consumer_group`.execute(db);
  const none = { group: service, count: 0, person: 0, age: 0 };
  const found = rows.some(({ group }) => group === service) ? rows : [...rows, none];
  return found.flatMap(({ group, count, person, age }) => [
    reading('callosum.parked.events', count, { 'callosum.group': group }),
    reading('callosum.parked.for_person', person, { 'callosum.group': group }),
    reading('callosum.parked.oldest_age', Math.max(0, age), { 'callosum.group': group }),
  ]);
}

async function lagReadings(log: EventLog, group: string): Promise<Reading[]> {
  const byTopic = Map.groupBy(await log.lag(group), ({ topic }) => topic);
  return [...byTopic].map(([topic, partitions]) => {
    const events = partitions.reduce((sum, { events: waiting }) => sum + waiting, 0);
    return reading('callosum.consumer.lag', events, { 'callosum.group': group, 'callosum.topic': topic });
  });
}

const blobReadings = (unknown: number | undefined): Reading[] =>
  unknown === undefined ? [] : [reading('callosum.archive.unknown_blobs', unknown, {})];

async function diskReadings(objectStore: ObjectStore): Promise<Reading[]> {
  const freeBytes = await objectStore.freeBytes?.();
  return freeBytes === undefined ? [] : [reading('callosum.disk.free', freeBytes, {})];
}
