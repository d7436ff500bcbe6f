import { Archive, archiveMigrations } from '@callosum/archive';
import { identity, imaging, inference } from '@callosum/contracts';
import { connect, type Database, type DatabaseConfig, migrate } from '@callosum/database';
import { eventTablesMigrations, isTransient, PostgresOutbox } from '@callosum/event-log';
import { type Bundle, FhirClient, type Resource } from '@callosum/fhir';
import { newId, systemClock } from '@callosum/kernel';
import { FileObjectStore } from '@callosum/object-store';
import { createLogger } from '@callosum/telemetry';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach } from 'vitest';

import { ArchivedResults } from '../adapters/archived-results.js';
import { StoredArtifacts } from '../adapters/artifacts.js';
import { FhirServer } from '../adapters/fhir-server.js';
import { GrpcPublishLeases, GrpcStudyReader } from '../adapters/peers.js';
import { PostgresFactStore } from '../adapters/postgres/fact-store.js';
import { migrations } from '../adapters/postgres/migrations.js';
import { PostgresPublications } from '../adapters/postgres/publications.js';
import type { Tables } from '../adapters/postgres/tables.js';
import { PostgresWrittenLedger } from '../adapters/postgres/written-ledger.js';
import { recordLinked, recordQuarantined } from '../application/record-decision.js';
import { recordJobCompleted } from '../application/record-job.js';
import { recordStudyCompleted } from '../application/record-study.js';
import type { PublishDependencies } from '../application/publish.js';
import { claimLeaseMs, workOff } from '../application/work-off-publication.js';
import { IndexedArchive, PeersForTests } from './peers.js';
import { tinyLabelMap, tinyResult, tinyStudy } from './phantom.js';

/** The real FHIR server of another package, which only a spec may reach. */
interface Gateway {
  readonly base: string;
  send(method: string, path: string, body?: unknown): Promise<{ readonly body: unknown }>;
  stop(): Promise<void>;
}

/** Every resource any test left in the gateway. */
export const written: Resource[] = [];
export let postgres: TestPostgres;
export let gateway: Gateway;
export let peers: PeersForTests;
export let archive: IndexedArchive;
/** The archive itself, behind it. */
export let kept: Archive;
export let archiveDatabase: Database<never>;
export let objectsFolder: string;
export let objectStore: FileObjectStore;
export let database: Database<Tables>;
export let facts: PostgresFactStore;
export let publications: PostgresPublications;
export let dependencies: PublishDependencies;
export let decidedAt = Date.parse('2026-11-22T03:00:00Z');

export const tiny = tinyStudy();
export const labelMap = tinyLabelMap(tiny);
export const result = tinyResult(tiny, labelMap);
export const study = result.studyInstanceUid;
export const fact = () => ({
  id: newId(),
  origin: { correlationId: 'correlation-1', traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01` },
});

/** Real PostgreSQL, gateway, archive and peers for each test of the file that calls it; a new database each. */
export function usePublishing(startGateway: (config: DatabaseConfig) => Promise<Gateway>): void {
  beforeAll(async () => {
    postgres = await startPostgres();
  });
  afterAll(async () => {
    await postgres?.stop();
  });

  beforeEach(async () => {
    const config = await postgres.createDatabase();
    gateway = await startGateway(config);
    peers = await PeersForTests.start();
    database = connect<Tables>(config, 'result_publisher', () => undefined);
    await database.pool.query('create schema result_publisher');
    await migrate(database.db as never, 'result_publisher', { ...eventTablesMigrations, ...migrations });
    archiveDatabase = connect<never>(config, 'archive', () => undefined);
    await archiveDatabase.pool.query('create schema archive');
    await migrate(archiveDatabase.db, 'archive', { ...eventTablesMigrations, ...archiveMigrations });
    objectsFolder = await mkdtemp(join(tmpdir(), 'callosum-objects-'));
    const archiveOutbox = new PostgresOutbox({ service: 'result-publisher' });
    objectStore = new FileObjectStore({ root: objectsFolder, diskFreeBytesMin: 0 });
    const logger = createLogger('result-publisher', 'fatal');
    kept = new Archive({
      database: archiveDatabase,
      objectStore,
      outbox: archiveOutbox,
      site: 'default',
      logger,
    });
    archive = new IndexedArchive(new ArchivedResults(kept), peers);
    for (const [uid, dataset] of tiny.instances) peers.instances.set(uid, dataset);
    facts = new PostgresFactStore(database, () => undefined);
    publications = new PostgresPublications(database, new PostgresOutbox({ service: 'result-publisher' }), systemClock);
    dependencies = {
      studies: new GrpcStudyReader(peers.clients.studyIndex),
      leases: new GrpcPublishLeases(peers.clients.identity),
      archive,
      fhir: new FhirServer(new FhirClient({ baseUrl: gateway.base })),
      labelMaps: { read: () => Promise.resolve(labelMap.voxels) },
      artifacts: new StoredArtifacts(objectStore),
      ledger: new PostgresWrittenLedger(database),
      isOutage: isTransient,
      publicUrl: 'https://callosum.example',
      site: 'default',
      pause: () => new Promise((resolve) => setTimeout(resolve, 1)),
      ending: new AbortController().signal,
    };
    peers.decision = { id: 'decision-1', patientReference: await patient('one') };
    return async () => {
      for (const type of Object.keys(whole)) written.push(...(await all(type)));
      await peers.stop();
      await gateway.stop();
      await database.close();
      await archiveDatabase.close();
      await rm(objectsFolder, { recursive: true, force: true });
    };
  });
}

export function setDependencies(patch: Partial<PublishDependencies>): void {
  dependencies = { ...dependencies, ...patch };
}

export async function patient(value: string): Promise<string> {
  const { body } = await gateway.send('POST', '/Patient', {
    resourceType: 'Patient',
    identifier: [{ system: 'urn:oid:1.2.3', value }],
  });
  return `Patient/${(body as Resource).id}`;
}

export const completed = (revision = 1) =>
  recordStudyCompleted(
    facts,
    fact(),
    imaging.StudyCompleted.fromPartial({ studyInstanceUid: study, revision, identityDigest: 'digest-1' }),
  );
export const linked = (patch: { decisionId?: string; identityDigest?: string; patientReference?: string } = {}) => {
  decidedAt += 1000;
  return recordLinked(facts, fact(), {
    studyInstanceUid: study,
    decisionId: peers.decision.id,
    patientReference: peers.decision.patientReference,
    identityDigest: 'digest-1',
    decidedBy: identity.DecidedBy.DECIDED_BY_RULES,
    provisional: false,
    decidedAt: new Date(decidedAt).toISOString(),
    ...patch,
  });
};
export const quarantined = (at = (decidedAt += 1000), decisionId = 'decision-q') =>
  recordQuarantined(facts, fact(), {
    studyInstanceUid: study,
    decisionId,
    identityDigest: 'digest-1',
    reasons: [],
    decidedAt: new Date(at).toISOString(),
  });

export function jobEvent(
  patch: Partial<inference.JobCompleted> & { revision?: number; measurements?: typeof result.measurements } = {},
): inference.JobCompleted {
  const { revision = 1, measurements = result.measurements, ...more } = patch;
  return inference.JobCompleted.fromPartial({
    jobId: result.jobId,
    model: result.model,
    input: {
      studyInstanceUid: study,
      studyRevision: revision,
      seriesInstanceUid: result.seriesInstanceUid,
      sopInstanceUids: [...result.sopInstanceUids],
      inputDigest: 'i',
    },
    result: {
      findings: [...result.findings],
      measurements: [...measurements],
      warnings: [...result.warnings],
      labelMaps: [
        {
          columns: labelMap.columns,
          rows: labelMap.rows,
          slices: labelMap.slices,
          artifactKey: 'mask',
          sha256: 'x',
          segments: labelMap.segments.map((segment) => ({
            ...segment,
            recommendedCielab: [...segment.recommendedCielab],
          })),
        },
      ],
    },
    resultDigest: result.resultDigest,
    attempt: 1,
    scheduledAt: '2026-11-22T03:03:00.000Z',
    completedAt: result.completedAt.toISOString(),
    ...more,
  });
}
export const jobCompleted = (patch: Parameters<typeof jobEvent>[0] = {}) =>
  recordJobCompleted(facts, fact(), jobEvent(patch));

/** Works off everything that is due now. */
export async function drain(): Promise<string[]> {
  const ends: string[] = [];
  for (;;) {
    const claim = await publications.claim(claimLeaseMs);
    if (!claim) return ends;
    ends.push(`${claim.kind} ${(await workOff(publications, dependencies, claim)).end}`);
  }
}

export async function all<T extends Resource>(type: string): Promise<T[]> {
  const { body } = await gateway.send('GET', `/${type}?_count=100`);
  return ((body as Bundle).entry ?? []).map(({ resource }) => resource as T);
}
export const counts = async () => {
  const types = ['ImagingStudy', 'Endpoint', 'DiagnosticReport', 'Observation', 'Task', 'Device', 'Provenance'];
  return Object.fromEntries(await Promise.all(types.map(async (type) => [type, (await all(type)).length] as const)));
};
export const whole = {
  ImagingStudy: 1,
  Endpoint: 1,
  DiagnosticReport: 1,
  Observation: 4,
  Task: 1,
  Device: 1,
  Provenance: 1,
};
export const nothing = {
  ImagingStudy: 0,
  Endpoint: 0,
  DiagnosticReport: 0,
  Observation: 0,
  Task: 0,
  Device: 0,
  Provenance: 0,
};
export async function announced(): Promise<
  { kind: string; diagnosticReportReference?: string; correlation: string }[]
> {
  const { rows } = await sql<{
    value: string;
    correlation_id: string;
  }>`select value, correlation_id from outbox order by id`.execute(database.db);
  return rows.map(({ value, correlation_id }) => ({
    ...(JSON.parse(value) as { kind: string }),
    correlation: correlation_id,
  }));
}
export const makeDue = () =>
  sql`update publication set next_attempt_at = now() where state = 'due'`.execute(database.db);
export const endLeases = () => sql`update study set lease_until = now() - interval '1 second'`.execute(database.db);
