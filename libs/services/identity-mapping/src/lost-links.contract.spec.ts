import { identity } from '@callosum/contracts';
import { connect, type Database, migrate } from '@callosum/database';
import { eventTablesMigrations, PostgresOutbox } from '@callosum/event-log';
import { FhirClient, type Patient } from '@callosum/fhir';
import { nameUid, newId, systemClock } from '@callosum/kernel';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { startGateway, type TestGateway } from '../../fhir-gateway/src/gateway-for-tests.js';
import { PostgresDecisionStore } from './adapters/decision-store.js';
import { PostgresLeaseStore } from './adapters/lease-store.js';
import { identityMigrations } from './adapters/migrations.js';
import { FhirPatientRecord } from './adapters/patient-record.js';
import type { IdentityTables } from './adapters/tables.js';
import { AcquireLease } from './application/acquire-lease.js';
import { JudgeStudy } from './application/judge-study.js';
import { ResolveQuarantine } from './application/resolve-quarantine.js';
import type { Decision } from './domain/decision.js';
import type { StudyDemographics } from './domain/judgement.js';
import { IdentityGrpc } from './transport/identity.grpc.js';

let postgres: TestPostgres;
let gateway: TestGateway;
let database: Database<IdentityTables>;
let fhir: FhirClient;
let study: StudyDemographics;
let uid: string;
/** Decisions made in asking for a lease. */
let told: string[] = [];
const directory = { demographics: () => Promise.resolve(study) };

beforeAll(async () => {
  postgres = await startPostgres();
  gateway = await startGateway(await postgres.createDatabase());
  database = connect<IdentityTables>(await postgres.createDatabase(), 'public', () => undefined);
  await migrate(database.db as never, 'public', { ...eventTablesMigrations, ...identityMigrations });
  fhir = new FhirClient({ baseUrl: gateway.base });
});
afterAll(async () => {
  await database?.close();
  await gateway?.stop();
  await postgres?.stop();
});

/** Each test has a hospital and a linked study of its own. */
beforeEach(async () => {
  const issuer = newId();
  told = [];
  uid = nameUid('lost-links-spec', issuer);
  study = {
    patientId: 'P1',
    issuerOfPatientId: issuer,
    issuerUniversalEntityId: '',
    issuerUniversalEntityIdType: '',
    patientName: 'Doe^Jane',
    patientBirthDate: '19700131',
    patientSex: 'F',
    source: 'CT1',
    inconsistent: false,
    identityDigest: 'digest',
  };
  await new JudgeStudy(directory, record(), store(), 'default', {}).run(uid);
  await sql`truncate outbox`.execute(database.db);
});

const store = () =>
  new PostgresDecisionStore(database.db, new PostgresOutbox({ service: 'identity-mapping' }), systemClock);
const record = (client = fhir) => new FhirPatientRecord(client, gateway.base);
const grpc = (client = fhir) => {
  const leases = new PostgresLeaseStore(database.db);
  const acquire = new AcquireLease(store(), record(client), leases, ({ decisionId }) => told.push(decisionId));
  return new IdentityGrpc(store(), acquire, leases);
};

async function current(): Promise<Decision> {
  const decision = await store().current(uid);
  if (!decision) throw new Error('no decision');
  return decision;
}
const acquire = async (
  { decisionId }: Pick<Decision, 'decisionId'>,
  purpose = identity.LeasePurpose.LEASE_PURPOSE_PUBLISH,
  client = fhir,
) => {
  const request = { studyInstanceUid: uid, decisionId, holder: 'job', duration: undefined, purpose };
  const granted = await grpc(client).acquirePublishLease(request);
  await grpc().releasePublishLease(granted);
  return granted;
};
const linkedPatient = async (): Promise<string> => {
  const { verdict } = await current();
  return verdict.state === 'linked' ? verdict.patient : '';
};
const notCurrent = { code: 'identity.not-current-link', kind: 'conflict' };
const read = (reference: string) => fhir.read<Patient>('Patient', reference.replace('Patient/', ''));

async function createPatient(more: Partial<Patient> = {}): Promise<string> {
  const jane = { name: [{ family: 'Doe', given: ['Jane'] }], birthDate: '1970-01-31' };
  const { resource } = await fhir.create<Patient>({ resourceType: 'Patient', ...jane, ...more });
  return `Patient/${resource.id}`;
}
async function merge(patient: string, ...into: string[]): Promise<void> {
  const link = into.map((reference) => ({ type: 'replaced-by' as const, other: { reference } }));
  await fhir.update<Patient>({ ...(await read(patient)), active: false, link });
}
async function facts(): Promise<Record<string, unknown>[]> {
  const { rows } = await sql<{ topic: string; value: string }>`select topic, value from outbox order by id`.execute(
    database.db,
  );
  return rows.map(({ topic, value }) => ({ topic, ...(JSON.parse(value) as object) }));
}

describe('the link of a study whose Patient', () => {
  it('is as it was gives a lease, for one read', async () => {
    const reads = vi.spyOn(fhir, 'readIfPresent');
    const { patientReference } = await acquire(await current());
    expect(patientReference).toBe(await linkedPatient());
    expect(reads).toHaveBeenCalledTimes(1);
    reads.mockRestore();
    expect(await facts()).toEqual([]);
  });

  it('was merged into another one follows it: no lease on the old decision, a new one told of, and why', async () => {
    const before = await current();
    const old = await linkedPatient();
    const [between, survivor] = [await createPatient(), await createPatient()];
    await merge(old, between);
    await merge(between, survivor);
    await expect(acquire(before)).rejects.toMatchObject(notCurrent);
    const after = await current();
    expect(after).toMatchObject({
      verdict: { state: 'linked', patient: survivor, provisional: false },
      identityDigest: before.identityDigest,
      decider: { by: 'rules' },
      evidence: {
        demographics: before.evidence.demographics,
        candidates: [{ patient: survivor, corroboration: { birthDate: 'agrees', name: 'agrees' } }],
        follows: { decisionId: before.decisionId, patient: old, loss: 'merged', chosenBy: 'rules' },
      },
    });
    expect(await facts()).toMatchObject([
      { topic: 'identity.study.linked.v1', patientReference: survivor, decisionId: after.decisionId },
    ]);
    expect((await acquire(after)).patientReference).toBe(survivor);
    await expect(acquire(before)).rejects.toMatchObject(notCurrent);
    expect(await facts()).toHaveLength(1);
  });

  it('was merged into one that contradicts the study waits for a person, whose choice later merges follow', async () => {
    const other = await createPatient({ birthDate: '1980-02-02' });
    await merge(await linkedPatient(), other);
    await expect(acquire(await current())).rejects.toMatchObject(notCurrent);
    const quarantine = await current();
    expect(quarantine.verdict).toEqual({ state: 'quarantined', reasons: ['birth-date-contradicts'] });
    const resolve = new ResolveQuarantine(directory, record(), store());
    await resolve.run(quarantine.decisionId, { action: 'link', patient: other }, 'records office');
    for (const loss of [1, 2]) {
      const survivor = await createPatient({ birthDate: '1980-02-02' });
      await merge(await linkedPatient(), survivor);
      await expect(acquire(await current()), String(loss)).rejects.toMatchObject(notCurrent);
      expect(await linkedPatient()).toBe(survivor);
    }
  });

  it.each<[string, string, (patient: string) => Promise<unknown>]>([
    ['was deleted', 'patient-gone', (patient) => gateway.send('DELETE', `/${patient}`)],
    ['is inactive, and nobody replaced it', 'patient-inactive', (patient) => merge(patient)],
    ['was merged into one that is not there', 'ambiguous-patient', (patient) => merge(patient, `Patient/${newId()}`)],
    ['was merged in a ring', 'ambiguous-patient', (patient) => merge(patient, patient)],
    [
      'was merged into one that is inactive',
      'patient-inactive',
      async (patient) => merge(patient, await createPatient({ active: false })),
    ],
  ])('%s is a quarantine: nothing is published, what was written may be withdrawn', async (_, reason, lose) => {
    const before = await current();
    const patient = await linkedPatient();
    await lose(patient);
    await expect(acquire(before)).rejects.toMatchObject(notCurrent);
    const after = await current();
    expect(after).toMatchObject({
      verdict: { state: 'quarantined', reasons: [reason] },
      evidence: { demographics: before.evidence.demographics, follows: { decisionId: before.decisionId, patient } },
    });
    expect(await facts()).toMatchObject([
      { topic: 'identity.study.quarantined.v1', studyInstanceUid: uid, identityDigest: before.identityDigest },
    ]);
    await expect(acquire(after)).rejects.toMatchObject(notCurrent);
    await acquire(after, identity.LeasePurpose.LEASE_PURPOSE_WITHDRAW);
    // The study is the same: hearing of it again changes nothing.
    await new JudgeStudy(directory, record(), store(), 'default', {}).run(uid);
    expect((await current()).decisionId).toBe(after.decisionId);
  });

  it('cannot be asked for gives no lease, and stays', async () => {
    const before = await current();
    const away = new FhirClient({ baseUrl: 'http://127.0.0.1:9/fhir', timeoutMs: 1_000 });
    await expect(acquire(before, undefined, away)).rejects.toMatchObject({ kind: 'unavailable' });
    expect((await current()).decisionId).toBe(before.decisionId);
    expect(await facts()).toEqual([]);
    // Withdrawing asks for no Patient.
    await gateway.send('DELETE', `/${await linkedPatient()}`);
    await expect(acquire(before)).rejects.toMatchObject(notCurrent);
    await acquire(await current(), identity.LeasePurpose.LEASE_PURPOSE_WITHDRAW, away);
  });

  it('was lost is decided once, however many ask at once', async () => {
    const before = await current();
    await gateway.send('DELETE', `/${await linkedPatient()}`);
    const asked = await Promise.allSettled([1, 2, 3].map(() => acquire(before)));
    expect(asked.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(await facts()).toHaveLength(1);
    expect(told).toEqual([(await current()).decisionId]);
  });
});
