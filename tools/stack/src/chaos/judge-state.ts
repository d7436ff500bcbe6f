import pg from 'pg';
import type { DatabaseConfig } from '@callosum/database';

import type { PlannedStudy } from './planned-study.js';
import type { Acknowledged } from './send.js';

/** What the worker of the run answers with, each time. */
export interface ResultParts {
  readonly observations: number;
  readonly segmentations: number;
  readonly reports: number;
}

/** What the sender and the planner know must be true in the end. */
export interface Promised {
  readonly perResult: ResultParts;
  readonly acknowledged: ReadonlyMap<string, Acknowledged>;
  readonly studies: readonly PlannedStudy[];
  /** `ce_id` of the events nobody can handle. */
  readonly poison: readonly string[];
}

/** What the services' tables say of one study, each asked as an administrator would. */
export interface StudyState {
  readonly indexed: ReadonlySet<string>;
  readonly complete: boolean;
  readonly decision: 'linked' | 'quarantined' | undefined;
  readonly jobs: readonly Job[];
  /** What is to be published of its jobs, each once. */
  readonly publications: readonly JobPublication[];
  /** SEG and SR that Callosum made of it, as the index names them. */
  readonly issued: readonly IssuedObject[];
}

export interface Job {
  readonly id: string;
  readonly state: 'queued' | 'running' | 'completed' | 'failed' | 'superseded';
}

/** An object as the index or QIDO-RS names it. */
export interface IssuedObject {
  readonly sop: string;
  readonly sopClass: string;
}

/** The outcome of a job as its publisher keeps it. */
export interface JobPublication {
  readonly jobId: string;
  readonly kind: 'result' | 'failure';
  readonly state: 'waiting' | 'due' | 'published' | 'superseded' | 'parked';
  /** Whether it ever was, even if a later one replaced it since. */
  readonly published: boolean;
  /** The objects it names now. */
  readonly names: readonly string[];
  /** The objects that were ever about to be made of it. */
  readonly made: readonly string[];
}

export interface SystemState {
  readonly studies: ReadonlyMap<string, StudyState>;
  /** Current rows of the intake ledger. */
  readonly ledger: ReadonlySet<string>;
  readonly outboxRows: number;
  /** `ce_id` and reason of every parked fact. */
  readonly parked: readonly { readonly eventId: string; readonly where: string }[];
  readonly parkedPublications: number;
}

/** Reads every service's schema over one administrator's connection. */
export async function readState(admin: DatabaseConfig): Promise<SystemState> {
  const { host, port, user, password, database } = admin;
  const client = new pg.Client({ host, port, user, password, database });
  await client.connect();
  const ask = async <Row extends pg.QueryResultRow>(text: string): Promise<Row[]> =>
    (await client.query<Row>(text)).rows;
  try {
    return await collect(ask);
  } finally {
    await client.end();
  }
}

type Ask = <Row extends pg.QueryResultRow>(text: string) => Promise<Row[]>;

async function collect(ask: Ask): Promise<SystemState> {
  const complete = await ask<{ study: string; state: string }>(
    'select study_instance_uid as study, state from study_index.study',
  );
  const instances = byStudy(
    await ask<{ study: string; sop: string; sopClass: string; issued: boolean }>(
      `select study_instance_uid as study, sop_instance_uid as sop, sop_class_uid as "sopClass",
         issued_by_callosum as issued
       from study_index.instance`,
    ),
  );
  const decisions = byStudy(
    await ask<{ study: string; state: 'linked' | 'quarantined' }>(
      'select study_instance_uid as study, state from identity_mapping.decision where superseded_at is null',
    ),
  );
  const jobs = byStudy(
    await ask<Job & Of>('select study_instance_uid as study, id::text as id, state from inference_orchestrator.job'),
  );
  const publications = byStudy(await publicationRows(ask));
  const studies = new Map<string, StudyState>();
  for (const { study, state } of complete) {
    const kept = instances.get(study) ?? [];
    studies.set(study, {
      indexed: new Set(kept.filter(({ issued }) => !issued).map(({ sop }) => sop)),
      issued: kept.filter(({ issued }) => issued).map(({ sop, sopClass }) => ({ sop, sopClass })),
      complete: state === 'complete',
      decision: decisions.get(study)?.[0]?.state,
      jobs: jobs.get(study) ?? [],
      publications: (publications.get(study) ?? []).filter(isOfJob),
    });
  }
  const ledger = await ask<{ sop: string }>('select sop_instance_uid as sop from archive.intake where current');
  return {
    studies,
    ledger: new Set(ledger.map(({ sop }) => sop)),
    outboxRows: await outboxRows(ask),
    parked: await parkedRows(ask),
    parkedPublications: [...publications.values()].flat().filter(({ state }) => state === 'parked').length,
  };
}

interface Of {
  readonly study: string;
}

const byStudy = <Row extends Of>(rows: readonly Row[]): Map<string, Row[]> => Map.groupBy(rows, ({ study }) => study);

type PublicationRow = Of & Omit<JobPublication, 'kind' | 'jobId'> & { readonly kind: string; readonly jobId: string };

/** The others are of a study as a whole. */
const isOfJob = (row: PublicationRow): row is PublicationRow & JobPublication =>
  row.kind === 'result' || row.kind === 'failure';

const publicationRows = (ask: Ask): Promise<PublicationRow[]> =>
  ask<PublicationRow>(
    `select study_instance_uid as study, kind, state, coalesce(job_id, '') as "jobId", published_at is not null as published,
       array_remove(array[nullif(seg_sop_instance_uid, ''), nullif(sr_sop_instance_uid, '')], null) as names,
       array(select sop_instance_uid from result_publisher.issued_instance i where i.publication_id = p.id) as made
     from result_publisher.publication p`,
  );

const schemasWith = (ask: Ask, table: string): Promise<{ schema: string }[]> =>
  ask(`select table_schema as schema from information_schema.tables where table_name = '${table}' order by 1`);

async function outboxRows(ask: Ask): Promise<number> {
  let rows = 0;
  for (const { schema } of await schemasWith(ask, 'outbox')) {
    const [found] = await ask<{ count: number }>(`select count(*)::int as count from "${schema}".outbox`);
    rows += found?.count ?? 0;
  }
  return rows;
}

async function parkedRows(ask: Ask): Promise<{ eventId: string; where: string }[]> {
  const found: { eventId: string; where: string }[] = [];
  for (const { schema } of await schemasWith(ask, 'parked')) {
    const rows = await ask<{ id: string; topic: string; code: string | null }>(
      `select event_id as id, topic, error_code as code from "${schema}".parked`,
    );
    found.push(...rows.map(({ id, topic, code }) => ({ eventId: id, where: `${schema} ${topic} ${code ?? ''}` })));
  }
  return found;
}
