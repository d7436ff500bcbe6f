import pg from 'pg';
import type { DatabaseConfig } from '@callosum/database';

import type { PlannedStudy } from './planned-study.js';
import type { Acknowledged } from './send.js';

/** What the sender and the planner know must be true in the end. */
export interface Promised {
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
  /** Jobs by state. */
  readonly jobs: Readonly<Record<string, number>>;
  /** Results that were published, later ones over earlier ones. */
  readonly publishedResults: number;
  readonly waitingPublications: number;
  readonly results: readonly PublishedResult[];
  /** SEG and SR that Callosum made of it, as the index names them. */
  readonly issued: readonly string[];
}

/** A result as its publisher keeps it. */
export interface PublishedResult {
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

interface PublicationRow extends PublishedResult {
  readonly study: string;
  readonly kind: string;
  readonly state: string;
}

type Ask = <Row extends pg.QueryResultRow>(text: string) => Promise<Row[]>;

async function collect(ask: Ask): Promise<SystemState> {
  const instances = await ask<{ study: string; sop: string; issued: boolean }>(
    'select study_instance_uid as study, sop_instance_uid as sop, issued_by_callosum as issued from study_index.instance',
  );
  const indexed = Map.groupBy(instances, ({ study }) => study);
  const complete = await ask<{ study: string; state: string }>(
    'select study_instance_uid as study, state from study_index.study',
  );
  const decisions = new Map(
    (
      await ask<{ study: string; state: 'linked' | 'quarantined' }>(
        'select study_instance_uid as study, state from identity_mapping.decision where superseded_at is null',
      )
    ).map(({ study, state }) => [study, state]),
  );
  const jobs = Map.groupBy(
    await ask<{ study: string; state: string }>(
      'select study_instance_uid as study, state from inference_orchestrator.job',
    ),
    ({ study }) => study,
  );
  const publications = Map.groupBy(
    await ask<PublicationRow>(
      `select study_instance_uid as study, kind, state, published_at is not null as published,
         array_remove(array[nullif(seg_sop_instance_uid, ''), nullif(sr_sop_instance_uid, '')], null) as names,
         array(select sop_instance_uid from result_publisher.issued_instance i where i.publication_id = p.id) as made
       from result_publisher.publication p`,
    ),
    ({ study }) => study,
  );
  const studies = new Map<string, StudyState>();
  for (const { study, state } of complete) {
    const ofStudy = publications.get(study) ?? [];
    studies.set(study, {
      indexed: new Set((indexed.get(study) ?? []).filter(({ issued }) => !issued).map(({ sop }) => sop)),
      issued: (indexed.get(study) ?? []).filter(({ issued }) => issued).map(({ sop }) => sop),
      results: ofStudy.filter(({ kind }) => kind === 'result'),
      complete: state === 'complete',
      decision: decisions.get(study),
      jobs: countBy(jobs.get(study) ?? []),
      publishedResults: ofStudy.filter(({ kind, published }) => kind === 'result' && published).length,
      waitingPublications: ofStudy.filter(({ state: is }) => is === 'waiting' || is === 'due').length,
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

function countBy(jobs: readonly { readonly state: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { state } of jobs) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}
