import type { operations, ServiceName } from '@callosum/contracts';
import { CallosumError, type Clock, isUid, isUuid } from '@callosum/kernel';
import { type QueryExecutorProvider, sql } from 'kysely';

import { archiveSchema } from './roles.js';
import type { StudyStatusSource } from './study-status.js';

/** Thrown when a status is asked of something that is no study. */
export class StudyStatusRequestError extends CallosumError {
  constructor(field: string) {
    super('operations.invalid-request', 'invalid', `${field} is not what the contract says`);
  }
}

export interface StudyStatusOptions {
  readonly name: ServiceName;
  readonly schema: string;
  /** The archive's outbox is looked at where the service stores. */
  readonly usesArchive: boolean;
  readonly db: QueryExecutorProvider;
  readonly clock: Clock;
}

/** A study has a handful of jobs; the answer of inference-orchestrator holds no more. */
const jobIdsMax = 100;
/** More than there are topics with a key of the study or its jobs. */
const parkedKeysMax = 20;
/** What a person looks up one by one. */
const traceIdsMax = 10;

/** callosum.operations.v1.StudyStatusService of one service. */
export class StudyStatusGrpc implements operations.StudyStatusServiceImplementation {
  constructor(
    private readonly options: StudyStatusOptions,
    private readonly source: StudyStatusSource = () => Promise.resolve({}),
  ) {}

  /** @throws {StudyStatusRequestError} */
  async getStudyStatus(request: operations.GetStudyStatusRequest): Promise<operations.GetStudyStatusResponse> {
    const { studyInstanceUid, jobIds } = request;
    if (!isUid(studyInstanceUid)) throw new StudyStatusRequestError('study_instance_uid');
    if (jobIds.length > jobIdsMax || !jobIds.every(isUuid)) throw new StudyStatusRequestError('job_ids');
    const keys = [studyInstanceUid, ...jobIds];
    const { schema, usesArchive } = this.options;
    const [{ traceparents = [], ...part }, parked, ...outboxes] = await Promise.all([
      this.source(studyInstanceUid),
      this.#parked(keys),
      ...(usesArchive ? [schema, archiveSchema] : [schema]).map((name) => this.#outbox(name, keys)),
    ]);
    const waiting = outboxes.flatMap((one) => one);
    const carried = [...traceparents, ...waiting.map(({ traceparent }) => traceparent)];
    return {
      service: this.options.name,
      observedAt: this.options.clock.now().toISOString(),
      intake: part.intake,
      completeness: part.completeness,
      identity: part.identity,
      inference: part.inference,
      publications: part.publications ?? [],
      publicationsTotal: part.publicationsTotal ?? 0,
      parked: parked.map(({ traceparent: _, ...facts }) => facts),
      outbox: waiting.map(({ traceparent: _, ...backlog }) => backlog),
      traceIds: traceIdsOf([...carried, ...parked.map(({ traceparent }) => traceparent)]),
    };
  }

  async #parked(keys: readonly string[]): Promise<(operations.ParkedFacts & Carried)[]> {
    type Row = Omit<operations.ParkedFacts, 'parkedAt' | 'nextAttemptAt'> & {
      parkedAt: Date;
      nextAttemptAt: Date | null;
    };
    const { rows } = await sql<Row & Carried>`
      select topic, key, count(*)::int as items, coalesce((array_agg(error_code order by id))[1], '') as "errorCode",
        (array_agg(parked_at order by id))[1] as "parkedAt", (array_agg(retry_at order by id))[1] as "nextAttemptAt",
        (array_agg(traceparent order by id))[1] as traceparent
      from ${sql.id(this.options.schema, 'parked')}
      where consumer_group = ${this.options.name} and key = any(${keys}::text[])
      group by topic, key order by min(id) limit ${parkedKeysMax}`.execute(this.options.db);
    return rows.map((row) => ({
      ...row,
      parkedAt: row.parkedAt.toISOString(),
      nextAttemptAt: row.nextAttemptAt?.toISOString(),
    }));
  }

  /** Reads all that waits: an outbox holds no more than `CALLOSUM_OUTBOX_ROWS_MAX` rows, and most of the time none. */
  async #outbox(schema: string, keys: readonly string[]): Promise<(operations.OutboxBacklog & Carried)[]> {
    const { rows } = await sql<{ rows: number; oldest: Date | null } & Carried>`
      select count(*)::int as rows, min(time) as oldest, (array_agg(traceparent order by id desc))[1] as traceparent
      from ${sql.id(schema, 'outbox')} where key = any(${keys}::text[])`.execute(this.options.db);
    return rows.flatMap(({ rows: count, oldest, traceparent }) =>
      oldest ? [{ schema, rows: count, oldestAt: oldest.toISOString(), traceparent }] : [],
    );
  }
}

interface Carried {
  readonly traceparent: string | null;
}

/** Trace ids of `traceparent` headers (W3C Trace Context 3.2), each once, in order. */
export function traceIdsOf(traceparents: readonly (string | null)[]): string[] {
  const ids = traceparents.flatMap((one) => /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(one ?? '')?.[1] ?? []);
  return [...new Set(ids)].slice(0, traceIdsMax);
}
