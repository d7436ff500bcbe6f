import { identity } from '@callosum/contracts';
import { connect, type Database, type DatabaseConfig, migrate } from '@callosum/database';
import { eventTablesMigrations, type LogEvent, PostgresOutbox, whileHandling } from '@callosum/event-log';
import { FhirClient, type Patient } from '@callosum/fhir';
import { nameUid, newId, systemClock } from '@callosum/kernel';
import { createLogger } from '@callosum/telemetry';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import { startGateway, type TestGateway } from '../../fhir-gateway/src/gateway-for-tests.js';
import { PostgresDecisionQueries } from './adapters/decision-queries.js';
import { PostgresDecisionStore } from './adapters/decision-store.js';
import { PostgresLeaseStore } from './adapters/lease-store.js';
import { identityMigrations } from './adapters/migrations.js';
import { FhirPatientRecord } from './adapters/patient-record.js';
import type { IdentityTables } from './adapters/tables.js';
import { AcquireLease } from './application/acquire-lease.js';
import { JudgeStudy } from './application/judge-study.js';
import { ResolveQuarantine } from './application/resolve-quarantine.js';
import type { StudyDemographics } from './domain/judgement.js';
import { decisionIdentifier } from './domain/patient.js';
import { IdentityGrpc } from './transport/identity.grpc.js';
import { IdentityHttp } from './transport/identity.http.js';

let postgres: TestPostgres;
let config: DatabaseConfig;
let gateway: TestGateway;
let database: Database<IdentityTables>;
let fhir: FhirClient;
/** What study-index would answer. */
const studies = new Map<string, StudyDemographics>();
const directory = {
  demographics: (uid: string) => {
    const found = studies.get(uid);
    return found ? Promise.resolve(found) : Promise.reject(new Error(`no study ${uid}`));
  },
};

beforeAll(async () => {
  postgres = await startPostgres();
  gateway = await startGateway(await postgres.createDatabase());
  config = await postgres.createDatabase();
  database = connect<IdentityTables>(config, 'public', () => undefined);
  await migrate(database.db as never, 'public', { ...eventTablesMigrations, ...identityMigrations });
  fhir = new FhirClient({ baseUrl: gateway.base });
});
afterAll(async () => {
  await database?.close();
  await gateway?.stop();
  await postgres?.stop();
});

/** Each test has a hospital of its own: the record is shared. */
let issuer = '';
beforeEach(async () => {
  issuer = `HOSP-${newId()}`;
  studies.clear();
  await sql`truncate outbox, inbox, decision, patient_identifier, identifier_lock, publish_lease cascade`.execute(
    database.db,
  );
});

const store = () =>
  new PostgresDecisionStore(database.db, new PostgresOutbox({ service: 'identity-mapping' }), systemClock);
const record = () => new FhirPatientRecord(fhir, gateway.base);
const judge = (issuers: Record<string, string> = {}) =>
  new JudgeStudy(directory, record(), store(), 'default', issuers);
const resolver = () => new ResolveQuarantine(directory, record(), store());
const grpc = () => {
  const leases = new PostgresLeaseStore(database.db);
  return new IdentityGrpc(store(), new AcquireLease(store(), record(), leases), leases);
};
const http = () =>
  new IdentityHttp(new PostgresDecisionQueries(database.db), resolver(), createLogger('identity-mapping', 'fatal'));

const uid = (name: string): string => nameUid('identity-spec', issuer, name);
let digests = 0;
function study(name: string, more: Partial<StudyDemographics> = {}): string {
  studies.set(uid(name), {
    patientId: 'P1',
    issuerOfPatientId: issuer,
    issuerUniversalEntityId: '',
    issuerUniversalEntityIdType: '',
    patientName: 'Doe^Jane',
    patientBirthDate: '19700131',
    patientSex: 'F',
    source: 'CT1',
    inconsistent: false,
    identityDigest: `digest-${++digests}`,
    ...more,
  });
  return uid(name);
}

async function events(): Promise<Record<string, unknown>[]> {
  const { rows } = await sql<{ topic: string; value: string }>`select topic, value from outbox order by id`.execute(
    database.db,
  );
  await sql`truncate outbox`.execute(database.db);
  return rows.map(({ topic, value }) => ({ topic, ...(JSON.parse(value) as object) }));
}
/** An event's text without what is drawn by chance or made from it: its digits could be a birth date's. */
const saidBy = (event: Record<string, unknown> = {}): string =>
  JSON.stringify({ ...event, studyInstanceUid: '', decisionId: '', patientReference: '' });
async function verdict(studyUid: string, issuers?: Record<string, string>) {
  await judge(issuers).run(studyUid);
  const decision = await store().current(studyUid);
  if (!decision) throw new Error('no decision');
  return decision.verdict;
}
const patientOf = async (studyUid: string): Promise<string> => {
  const decided = (await store().current(studyUid))?.verdict;
  return decided?.state === 'linked' ? decided.patient : '';
};
const reasons = (...expected: string[]) => ({ state: 'quarantined', reasons: expected });
const idOf = (reference: string): string => reference.replace('Patient/', '');

describe('an unknown patient', () => {
  it('becomes a provisional Patient with what the study says, and the study is linked', async () => {
    const one = study('one', { patientName: 'Müller^Anna^Maria=山田^花子' });
    expect(await verdict(one)).toMatchObject({ state: 'linked', provisional: true });
    const patient = await fhir.read<Patient>('Patient', idOf(await patientOf(one)));
    expect(patient).toMatchObject({
      birthDate: '1970-01-31',
      gender: 'female',
      name: [
        { family: 'Müller', given: ['Anna', 'Maria'] },
        { family: '山田', given: ['花子'] },
      ],
      identifier: [{ value: 'P1' }],
      meta: { tag: [{ code: 'provisional' }] },
    });
    const [linked, ...others] = await events();
    expect(others).toEqual([]);
    expect(linked).toMatchObject({
      topic: 'identity.study.linked.v1',
      studyInstanceUid: one,
      patientReference: `Patient/${patient.id}`,
      identityDigest: studies.get(one)?.identityDigest,
      decidedBy: 'DECIDED_BY_RULES',
      provisional: true,
    });
    expect(saidBy(linked)).not.toMatch(/Müller|P1|1970/);
  });

  it('is found again by the next study', async () => {
    await verdict(study('one'));
    expect(await verdict(study('two', { patientName: 'DOE^JANE', patientSex: '' }))).toMatchObject({
      patient: await patientOf(uid('one')),
    });
  });

  it('is created once when ten studies race, and each is judged against the first', async () => {
    const uids = Array.from({ length: 10 }, (_, i) =>
      study(`s${i}`, i === 0 ? {} : { patientName: i % 2 ? 'Doe^Jane' : 'Doe^Jane^Ann' }),
    );
    const wrong = study('wrong', { patientBirthDate: '19800202', patientSex: 'M', patientName: 'Roe^Rick' });
    await Promise.all([...uids, wrong].map((one) => judge().run(one)));
    const decided = await Promise.all([...uids, wrong].map((one) => store().current(one)));
    const patients = new Set(
      decided.flatMap((decision) => (decision?.verdict.state === 'linked' ? [decision.verdict.patient] : [])),
    );
    expect(patients.size).toBe(1);
    // Whoever came first defines the Patient; the other kind contradicts it.
    const quarantined = decided
      .filter((decision) => decision?.verdict.state === 'quarantined')
      .map((decision) => decision?.studyInstanceUid);
    expect([[wrong], uids]).toContainEqual(quarantined);
  });

  it('is created once when the process dies between the Patient and the decision', async () => {
    const one = study('one', { patientName: '', patientBirthDate: '' });
    const dying = store();
    dying.commit = () => Promise.reject(new Error('killed'));
    await expect(new JudgeStudy(directory, record(), dying, 'default', {}).run(one)).rejects.toThrow('killed');
    expect(await verdict(one)).toMatchObject({ state: 'linked', provisional: true });
    // Another study with as little to go by is no evidence of the same person.
    expect(await verdict(study('two', { patientName: '', patientBirthDate: '' }))).toEqual(reasons('uncorroborated'));
  });
});

describe('a known patient', () => {
  it('registered in the record is linked, corroborated', async () => {
    const system = 'https://hospital.example/mrn';
    const value = newId();
    const { resource } = await fhir.create<Patient>({
      resourceType: 'Patient',
      identifier: [{ system, value }],
      name: [{ family: 'Doe', given: ['Jane'] }],
      birthDate: '1970-01-31',
      gender: 'female',
    });
    const one = study('one', { issuerOfPatientId: '', patientId: value });
    expect(await verdict(one, { CT1: system })).toEqual({
      state: 'linked',
      patient: `Patient/${resource.id}`,
      provisional: false,
    });
  });

  it('is followed through a merge', async () => {
    const first = study('one');
    await verdict(first);
    const old = await fhir.read<Patient>('Patient', idOf(await patientOf(first)));
    const { resource: survivor } = await fhir.create<Patient>({
      resourceType: 'Patient',
      name: [{ family: 'Doe', given: ['Jane'] }],
      birthDate: '1970-01-31',
    });
    await fhir.update<Patient>({
      ...old,
      active: false,
      link: [{ type: 'replaced-by', other: { reference: `Patient/${survivor.id}` } }],
    });
    expect(await verdict(study('two'))).toMatchObject({ patient: `Patient/${survivor.id}` });
  });

  /** Merges the Patient of the first study into `reference`. */
  async function mergeFirst(...references: (string | undefined)[]): Promise<string> {
    const first = study('one');
    await verdict(first);
    const old = await fhir.read<Patient>('Patient', idOf(await patientOf(first)));
    const link = references.map((reference) => ({
      type: 'replaced-by' as const,
      other: reference === undefined ? { identifier: { value: 'elsewhere' } } : { reference },
    }));
    await fhir.update<Patient>({ ...old, active: false, link });
    return `Patient/${old.id}`;
  }
  const stranger: Partial<StudyDemographics> = {
    patientName: 'Roe^Rick',
    patientBirthDate: '19800202',
    patientSex: 'M',
  };

  it.each<[string, (stranger: string) => (string | undefined)[]]>([
    ['that is not there', () => [`Patient/${newId()}`]],
    ['on another server', (id) => [`https://other.example/fhir/${id}`]],
    ['named by identifier only', () => [undefined]],
    ['that is no Patient', (id) => [id.replace('Patient', 'RelatedPerson')]],
    ['and another one', (id) => [id, `Patient/${newId()}`]],
  ])('merged into one %s is nobody: the study of whoever bears the ID waits for a person', async (_, targets) => {
    const { resource } = await fhir.create<Patient>({
      resourceType: 'Patient',
      name: [{ family: 'Roe', given: ['Rick'] }],
      birthDate: '1980-02-02',
    });
    const old = await mergeFirst(...targets(`Patient/${resource.id}`));
    expect(await verdict(study('two', stranger))).toEqual(reasons('ambiguous-patient'));
    const { decisions } = await http().quarantine({});
    expect(decisions[0]?.evidence.candidates).toEqual([{ patient: old }]);
    // Judged again without the mapping, as when another system made the Patient.
    await sql`truncate patient_identifier`.execute(database.db);
    expect(await verdict(study('three', stranger))).toEqual(reasons('ambiguous-patient'));
  });

  it('is followed by an absolute reference under the own base', async () => {
    const { resource } = await fhir.create<Patient>({
      resourceType: 'Patient',
      name: [{ family: 'Doe', given: ['Jane'] }],
      birthDate: '1970-01-31',
    });
    await mergeFirst(`${gateway.base}/Patient/${resource.id}`);
    expect(await verdict(study('two'))).toMatchObject({ patient: `Patient/${resource.id}` });
  });

  it('that is not active is nobody to link to, neither by rules nor by a person', async () => {
    const patient = await mergeFirst();
    expect(await verdict(study('two'))).toEqual(reasons('patient-inactive'));
    const { decisionId } = (await store().current(uid('two'))) ?? {};
    await expect(http().resolve(decisionId ?? '', { action: 'link', patient, decidedBy: 'a' })).rejects.toMatchObject({
      code: 'identity.inactive-patient',
      kind: 'conflict',
    });
  });

  it('found only by the conditional create is compared like any other', async () => {
    await verdict(study('one'));
    await sql`truncate patient_identifier`.execute(database.db);
    const late = record();
    // Registered between the search and the creation.
    late.findByIdentifier = () => Promise.resolve([]);
    const two = study('two', stranger);
    await new JudgeStudy(directory, late, store(), 'default', {}).run(two);
    const objections = reasons('birth-date-contradicts', 'sex-contradicts', 'name-contradicts');
    expect((await store().current(two))?.verdict).toEqual(objections);
    // What this study asked for was never made: the Patient found is still somebody else's.
    expect(await verdict(study('two', stranger))).toEqual(objections);
  });

  it.each<[string, Partial<StudyDemographics>, string[]]>([
    ['another birth date', { patientBirthDate: '19700201' }, ['birth-date-contradicts']],
    ['another sex', { patientSex: 'M' }, ['sex-contradicts']],
    ['another name', { patientName: 'Roe^Rick' }, ['name-contradicts']],
    ['nothing to go by', { patientName: '', patientBirthDate: '' }, ['uncorroborated']],
    ['no Patient ID', { patientId: '' }, ['missing-patient-id']],
    ['sources that differ', { inconsistent: true }, ['inconsistent-study']],
    [
      'sources that differ, the first without a Patient ID',
      { inconsistent: true, patientId: '' },
      ['inconsistent-study'],
    ],
    ['a control character in its Patient ID', { patientId: 'P\x001' }, ['malformed-patient-id']],
    ['a character of its Patient ID that could not be read', { patientId: 'P\uFFFD1' }, ['malformed-patient-id']],
    ['a name that could not be read', { patientName: 'D\uFFFDe^Jane', patientBirthDate: '' }, ['uncorroborated']],
  ])('with %s is quarantined, and nothing is created', async (_, more, expected) => {
    await verdict(study('one'));
    await events();
    const before = await gateway.send('GET', '/Patient?_summary=count');
    expect(await verdict(study('two', more))).toEqual(reasons(...expected));
    const [quarantined] = await events();
    expect(quarantined).toMatchObject({ topic: 'identity.study.quarantined.v1', studyInstanceUid: uid('two') });
    expect(saidBy(quarantined)).not.toMatch(/Doe|Roe|P1|19700/);
    expect((await gateway.send('GET', '/Patient?_summary=count')).body).toMatchObject({
      total: (before.body as { total: number }).total,
    });
  });

  it('of a study whose instances are all gone is asked of nobody, and its decision stays', async () => {
    const one = study('one');
    expect(await verdict(one)).toMatchObject({ state: 'linked' });
    await events();
    const blank = { patientId: '', patientName: '', patientBirthDate: '', patientSex: '', identityDigest: '' };
    study('one', blank);
    expect(await judge().run(one)).toBeUndefined();
    expect(await verdict(one)).toMatchObject({ state: 'linked' });
    expect(await judge().run(study('two', blank))).toBeUndefined();
    expect(await store().current(uid('two'))).toBeUndefined();
    expect(await events()).toEqual([]);
  });

  it('that several Patients claim to be is quarantined', async () => {
    const system = 'https://hospital.example/mrn';
    const value = newId();
    for (let i = 0; i < 2; i++)
      await fhir.create<Patient>({ resourceType: 'Patient', identifier: [{ system, value }] });
    expect(await verdict(study('one', { issuerOfPatientId: '', patientId: value }), { CT1: system })).toEqual(
      reasons('ambiguous-patient'),
    );
  });

  it('is not the one of the same Patient ID at another source without issuer', async () => {
    const more = { issuerOfPatientId: '', patientId: newId() };
    await verdict(study('one', { ...more, source: 'CT1' }));
    await verdict(study('two', { ...more, source: 'MR2' }));
    expect(await patientOf(uid('one'))).not.toBe(await patientOf(uid('two')));
  });
});

describe('a decision', () => {
  it('holds while the identity attributes do, and is judged anew when they change', async () => {
    const one = study('one');
    await verdict(one);
    await verdict(one);
    expect(await events()).toHaveLength(1);
    study('one', { patientBirthDate: '19800101' });
    expect(await verdict(one)).toEqual(reasons('birth-date-contradicts'));
    const { decisions } = await http().decisions(one);
    expect(decisions.map(({ state }) => state)).toEqual(['quarantined', 'linked']);
    expect(decisions[1]?.supersededAt).toBeDefined();
  });

  it('is never older than the one it replaces, however far behind the clock of its replica is', async () => {
    const one = study('one');
    await verdict(one);
    const slow = new PostgresDecisionStore(database.db, new PostgresOutbox({ service: 'identity-mapping' }), {
      now: () => new Date(Date.now() - 3_600_000),
    });
    study('one', { patientBirthDate: '19800101' });
    await new JudgeStudy(directory, record(), slow, 'default', {}).run(one);
    const [linked, quarantined] = await events();
    expect(quarantined?.['topic']).toBe('identity.study.quarantined.v1');
    expect(Date.parse(String(quarantined?.['decidedAt']))).toBeGreaterThan(Date.parse(String(linked?.['decidedAt'])));
  });

  it('is made once for one event, however often it is delivered', async () => {
    const one = study('one');
    const event: LogEvent = {
      topic: 'imaging.study.updated.v1',
      key: one,
      id: newId(),
      type: 't',
      source: '/s',
      time: new Date(),
      site: 'default',
      correlationId: 'c',
      value: '{}',
    };
    await Promise.allSettled([1, 2, 3].map(() => whileHandling(event, () => judge().run(one))));
    await whileHandling(event, () => judge().run(one));
    expect(await events()).toHaveLength(1);
  });
});

describe('publish leases', () => {
  const acquire = async (studyUid: string, ms = 5_000) => {
    const { decisionId } = await grpc().getDecision({ studyInstanceUid: studyUid });
    const duration = { seconds: BigInt(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1_000_000 };
    return grpc().acquirePublishLease({
      studyInstanceUid: studyUid,
      decisionId,
      holder: 'job-1',
      duration,
      purpose: identity.LeasePurpose.LEASE_PURPOSE_UNSPECIFIED,
    });
  };
  const withdrawal = async (studyInstanceUid: string) => {
    const { decisionId } = await grpc().getDecision({ studyInstanceUid });
    const purpose = identity.LeasePurpose.LEASE_PURPOSE_WITHDRAW;
    const duration = { seconds: 60n, nanos: 0 };
    return grpc().acquirePublishLease({ studyInstanceUid, decisionId, holder: 'c', duration, purpose });
  };
  /** By the clock that leases are counted on. */
  async function databaseNow(): Promise<Date> {
    const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(database.db);
    return rows[0]?.now ?? new Date(Number.NaN);
  }
  const supersededAt = async (decisionId: string): Promise<Date> => {
    const decision = await store().find(decisionId);
    if (!decision?.supersededAt) throw new Error('still current');
    return decision.supersededAt;
  };
  const leaseRow = (leaseId: string) =>
    database.db.selectFrom('publish_lease').selectAll().where('lease_id', '=', leaseId).executeTakeFirst();
  const revoked = (leaseId: string) =>
    vi.waitFor(async () => expect((await leaseRow(leaseId))?.revoked_at).toEqual(expect.any(Date)), 30_000);
  /** A change that nothing holds up, from beginning to end: whatever began before and does not wait is over as well. */
  async function otherChange(): Promise<void> {
    const other = study('other', { patientId: 'P2' });
    await verdict(other);
    study('other', { patientId: 'P2', patientBirthDate: '19800101' });
    expect(await verdict(other)).toEqual(reasons('birth-date-contradicts'));
  }

  it('are given under the current link only', async () => {
    const one = study('one');
    expect(await grpc().getDecision({ studyInstanceUid: one })).toMatchObject({
      state: identity.DecisionState.DECISION_STATE_PENDING,
    });
    await verdict(one);
    const before = await databaseNow();
    const lease = await acquire(one);
    expect(lease.patientReference).toBe(await patientOf(one));
    expect(lease.duration).toEqual({ seconds: 5n, nanos: 0 });
    // Never more than a changed decision waits for, and the row outlasts what was granted by the margin.
    expect((await acquire(one, 3_600_000)).duration).toEqual({ seconds: 60n, nanos: 0 });
    const after = await databaseNow();
    const rows = await database.db.selectFrom('publish_lease').select('lease_until').orderBy('lease_until').execute();
    const grantedAtMs = rows.map(({ lease_until }, i) => lease_until.getTime() - ([10_000, 65_000][i] ?? Number.NaN));
    expect(grantedAtMs).toHaveLength(2);
    for (const ms of grantedAtMs) {
      expect(ms).toBeGreaterThanOrEqual(before.getTime());
      expect(ms).toBeLessThanOrEqual(after.getTime());
    }
    await expect(
      grpc().acquirePublishLease(
        identity.AcquirePublishLeaseRequest.create({ studyInstanceUid: one, decisionId: newId(), holder: 'x' }),
      ),
    ).rejects.toMatchObject({
      kind: 'conflict',
    });
    const two = study('two', { patientId: '' });
    await verdict(two);
    await expect(acquire(two)).rejects.toMatchObject({ code: 'identity.not-current-link' });
  });

  it('delay a changed decision until they are given back, and cannot be confirmed meanwhile or after', async () => {
    const one = study('one');
    await verdict(one);
    const { leaseId } = await acquire(one, 60_000);
    await grpc().confirmPublishLease({ leaseId });
    study('one', { patientBirthDate: '19800101' });
    const change = judge().run(one);
    await revoked(leaseId);
    await otherChange();
    expect(await grpc().getDecision({ studyInstanceUid: one })).toMatchObject({
      state: identity.DecisionState.DECISION_STATE_LINKED,
    });
    await expect(grpc().confirmPublishLease({ leaseId })).rejects.toMatchObject({ code: 'identity.lease-lost' });
    await expect(acquire(one)).rejects.toMatchObject({ code: 'identity.not-current-link' });
    await grpc().releasePublishLease({ leaseId });
    await grpc().releasePublishLease({ leaseId });
    await change;
    expect(await grpc().getDecision({ studyInstanceUid: one })).toMatchObject({
      state: identity.DecisionState.DECISION_STATE_QUARANTINED,
    });
    await expect(grpc().confirmPublishLease({ leaseId })).rejects.toMatchObject({ code: 'identity.lease-lost' });
  });

  it('of a holder that died are waited out, with the margin, no longer', async () => {
    const one = study('one');
    await verdict(one);
    const { decisionId } = await grpc().getDecision({ studyInstanceUid: one });
    const before = await databaseNow();
    const { leaseId } = await acquire(one, 1_000);
    const lease = await leaseRow(leaseId);
    study('one', { patientBirthDate: '19800101' });
    await judge().run(one);
    const waitedUntil = (await supersededAt(decisionId)).getTime();
    expect(waitedUntil).toBeGreaterThanOrEqual(lease?.lease_until.getTime() ?? Number.NaN);
    expect(waitedUntil - before.getTime()).toBeGreaterThanOrEqual(6_000);
    await expect(grpc().confirmPublishLease({ leaseId })).rejects.toMatchObject({ code: 'identity.lease-lost' });
  });

  it('are given under a quarantine for withdrawing only, and delay its release', async () => {
    const one = study('one');
    await verdict(one);
    await expect(withdrawal(one)).rejects.toMatchObject({ code: 'identity.not-current-link' });
    const two = study('two', { patientBirthDate: '19800101' });
    await verdict(two);
    await expect(acquire(two)).rejects.toMatchObject({ code: 'identity.not-current-link' });
    const { leaseId, patientReference } = await withdrawal(two);
    expect(patientReference).toBe('');
    await grpc().confirmPublishLease({ leaseId });
    const { decisionId } = await grpc().getDecision({ studyInstanceUid: two });
    const patient = await patientOf(one);
    const release = http().resolve(decisionId, { action: 'link', patient, decidedBy: 'a' });
    await revoked(leaseId);
    await otherChange();
    expect(await patientOf(two)).toBe('');
    await expect(grpc().confirmPublishLease({ leaseId })).rejects.toMatchObject({ code: 'identity.lease-lost' });
    await grpc().releasePublishLease({ leaseId });
    await release;
    expect(await patientOf(two)).toBe(patient);
  });

  it('run out by themselves', async () => {
    const one = study('one');
    await verdict(one);
    const { leaseId } = await acquire(one, 50);
    await sleep(100);
    await expect(grpc().confirmPublishLease({ leaseId })).rejects.toMatchObject({ code: 'identity.lease-lost' });
  });
});

describe('a person', () => {
  async function quarantined(): Promise<string> {
    await verdict(study('one'));
    await verdict(study('two', { patientBirthDate: '19800101' }));
    await events();
    const { decisions } = await http().quarantine({});
    expect(decisions).toHaveLength(1);
    expect(decisions[0]).toMatchObject({
      studyInstanceUid: uid('two'),
      reasons: ['birth-date-contradicts'],
      evidence: {
        candidates: [
          { patient: await patientOf(uid('one')), corroboration: { birthDate: 'contradicts', name: 'agrees' } },
        ],
      },
    });
    return decisions[0]?.decisionId ?? '';
  }

  it('links a quarantined study to a Patient, once', async () => {
    const decisionId = await quarantined();
    const patient = await patientOf(uid('one'));
    const body = { action: 'link', patient, decidedBy: 'dr-house' };
    const made = await http().resolve(decisionId, body);
    expect(made).toMatchObject({ state: 'linked', patient, decidedBy: 'dr-house', resolves: decisionId });
    expect(await http().resolve(decisionId, body)).toEqual(made);
    expect(await events()).toMatchObject([
      { topic: 'identity.study.linked.v1', decidedBy: 'DECIDED_BY_PERSON', patientReference: patient },
    ]);
    expect((await http().quarantine({})).decisions).toEqual([]);
    // Judging again does not overrule the person while the study says the same.
    await judge().run(uid('two'));
    expect(await patientOf(uid('two'))).toBe(patient);
  });

  it('is told when the Patient was merged into another one, and links to that one by its own name', async () => {
    const decisionId = await quarantined();
    const { resource: survivor } = await fhir.create<Patient>({ resourceType: 'Patient', birthDate: '1980-01-01' });
    const merge = async (reference: string) => {
      const old = await fhir.read<Patient>('Patient', idOf(await patientOf(uid('one'))));
      await fhir.update<Patient>({ ...old, link: [{ type: 'replaced-by', other: { reference } }] });
    };
    const link = async (patient: string) =>
      http().resolve(decisionId, { action: 'link', patient, decidedBy: 'dr-house' });
    await merge(`https://other.example/fhir/Patient/${survivor.id}`);
    await expect(link(await patientOf(uid('one')))).rejects.toMatchObject({
      code: 'identity.broken-merge',
      kind: 'conflict',
    });
    await merge(`Patient/${survivor.id}`);
    await expect(link(await patientOf(uid('one')))).rejects.toMatchObject({
      code: 'identity.merged-patient',
      kind: 'conflict',
    });
    expect(await link(`Patient/${survivor.id}`)).toMatchObject({ patient: `Patient/${survivor.id}` });
  });

  it('has a Patient created, which does not make the contested Patient ID ambiguous', async () => {
    const decisionId = await quarantined();
    const body = { action: 'create-patient', decidedBy: 'dr-house' };
    const [made, ...again] = await Promise.all([1, 2, 3].map(() => http().resolve(decisionId, body)));
    expect(again).toEqual([made, made]);
    expect(made).toMatchObject({ state: 'linked', provisional: true });
    expect(await patientOf(uid('two'))).not.toBe(await patientOf(uid('one')));
    const { value } = decisionIdentifier(decisionId);
    expect((await gateway.send('GET', `/Patient?identifier=${encodeURIComponent(value)}`)).body).toMatchObject({
      total: 1,
    });
    expect(await verdict(study('three'))).toMatchObject({ patient: await patientOf(uid('one')) });
  });

  it('rejects a study, which leaves the list and stays unpublished', async () => {
    const decisionId = await quarantined();
    expect(await http().resolve(decisionId, { action: 'reject', decidedBy: 'dr-house' })).toMatchObject({
      state: 'quarantined',
      reasons: ['rejected-by-person'],
    });
    expect((await http().quarantine({})).decisions).toEqual([]);
    expect((await http().quarantine({ include: 'rejected' })).decisions).toHaveLength(1);
  });

  it('is told when the decision is no longer the one to decide', async () => {
    const decisionId = await quarantined();
    await http().resolve(decisionId, { action: 'reject', decidedBy: 'a' });
    await expect(http().resolve(decisionId, { action: 'create-patient', decidedBy: 'b' })).rejects.toMatchObject({
      kind: 'conflict',
    });
    for (const unknown of [newId(), 'a\0b'])
      await expect(http().resolve(unknown, { action: 'reject', decidedBy: 'b' })).rejects.toMatchObject({
        kind: 'not-found',
      });
  });

  it('is told when the study changed since', async () => {
    const decisionId = await quarantined();
    study('two', { patientBirthDate: '19700131' });
    await expect(http().resolve(decisionId, { action: 'reject', decidedBy: 'a' })).rejects.toMatchObject({
      code: 'identity.stale-decision',
    });
  });

  it.each([
    [{ action: 'link', patient: 'Patient/none', decidedBy: 'a' }, 'identity.unknown-patient'],
    [{ action: 'link', patient: 'Group/1', decidedBy: 'a' }, 'identity.unknown-patient'],
    [{ action: 'link', decidedBy: 'a' }, 'identity.malformed-request'],
    [{ action: 'reject' }, 'identity.malformed-request'],
    [{ action: 'reject', decidedBy: 'a\0b' }, 'identity.malformed-request'],
    [{ action: 'reject', decidedBy: 'a\nb' }, 'identity.malformed-request'],
    [{ action: 'reject', decidedBy: 'a\ud800' }, 'identity.malformed-request'],
    [{ action: 'erase', decidedBy: 'a' }, 'identity.malformed-request'],
    [undefined, 'identity.malformed-request'],
  ])('is told what is wrong with %j', async (body, code) => {
    const decisionId = await quarantined();
    await expect(http().resolve(decisionId, body)).rejects.toMatchObject({ code, kind: 'invalid' });
  });
});
