import { createServer, type Server } from 'node:http';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Archive } from '@callosum/archive';
import { identity, imaging, operations } from '@callosum/contracts';
import { connect, type Database } from '@callosum/database';
import { type Attributes, datasetOf, type DicomJson, writeFile } from '@callosum/dicom';
import { PostgresOutbox } from '@callosum/event-log';
import { nameUid } from '@callosum/kernel';
import { FileObjectStore } from '@callosum/object-store';
import {
  createPeerClients,
  type PeerClients,
  preparePlatform,
  type RunningService,
  type ServiceDefinition,
  startService,
} from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { createChannel, createClient } from 'nice-grpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { fhirGateway } from '../../fhir-gateway/src/index.js';
import { studyIndex } from '../../study-index/src/index.js';
import { identityMapping } from './index.js';

const definitions = [studyIndex, identityMapping, fhirGateway] as unknown as ServiceDefinition[];
const running: RunningService[] = [];
let postgres: TestPostgres;
let folder: string;
let http: Server;
let base: string;
let archiveDatabase: Database<never>;
let archive: Archive;
let peers: PeerClients;

beforeAll(async () => {
  postgres = await startPostgres();
  folder = await mkdtemp(join(tmpdir(), 'callosum-identity-'));
  const admin = await postgres.createDatabase();
  const passwordOf = (role: string): string => `${role}-secret`;
  await preparePlatform({ admin, definitions, passwordOf, eventLogInPostgres: true });
  http = createServer((request, response) => {
    const service = running.find(({ httpPrefixes }) => httpPrefixes.some((prefix) => request.url?.startsWith(prefix)));
    if (service) service.handle(request, response);
    else response.writeHead(503).end();
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const env: Record<string, string> = {
    CALLOSUM_DATABASE_HOST: admin.host,
    CALLOSUM_DATABASE_PORT: String(admin.port),
    CALLOSUM_DATABASE_NAME: admin.database,
    CALLOSUM_OBJECT_STORE_DIR: folder,
    CALLOSUM_DISK_FREE_BYTES_MIN: '0',
    CALLOSUM_FHIR_URL: `${base}/fhir`,
    CALLOSUM_QUIET_PERIOD_MS: '500',
    CALLOSUM_LOG_LEVEL: 'fatal',
  };
  for (const definition of definitions) {
    const service = await startService(definition, {
      ...env,
      CALLOSUM_DATABASE_PASSWORD: passwordOf(definition.schema),
    });
    if (definition.name === 'study-index') env['CALLOSUM_STUDY_INDEX_GRPC'] = service.grpcAddress;
    if (definition.name === 'identity-mapping') env['CALLOSUM_IDENTITY_GRPC'] = service.grpcAddress;
    running.push(service);
  }
  peers = createPeerClients('spec', {
    studyIndex: env['CALLOSUM_STUDY_INDEX_GRPC'] ?? '',
    identity: env['CALLOSUM_IDENTITY_GRPC'] ?? '',
  });
  archiveDatabase = connect<never>(
    { ...admin, user: 'archive', password: passwordOf('archive') },
    'archive',
    () => undefined,
  );
  archive = new Archive({
    database: archiveDatabase,
    objectStore: new FileObjectStore({ root: folder, diskFreeBytesMin: 0 }),
    // The relay that study-index runs over the archive's outbox sends what stands in it.
    outbox: new PostgresOutbox({ service: 'dimse-ingest' }),
    site: 'default',
    logger: createLogger('spec', 'fatal'),
  });
});
afterAll(async () => {
  peers?.close();
  for (const service of running) await service.close();
  http?.close();
  await archiveDatabase?.close();
  await postgres?.stop();
  if (folder) await rm(folder, { recursive: true, force: true });
});

const uid = (name: string): string => nameUid('identity-running-spec', name);

/** What the tests stored so far, by SOPInstanceUID: they share one archive. */
const stored = new Set<string>();

async function store(study: string, number: number, more: Attributes = {}, raw: DicomJson = {}): Promise<string> {
  const sopInstanceUid = uid(`${study}/${number}`);
  const attributes: Attributes = {
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.7',
    SOPInstanceUID: sopInstanceUid,
    StudyInstanceUID: uid(study),
    SeriesInstanceUID: uid(`${study}/a`),
    Modality: 'OT',
    InstanceNumber: number,
    PatientID: 'P-77',
    IssuerOfPatientID: 'HOSP',
    PatientName: 'Doe^Jane',
    PatientBirthDate: '19700131',
    PatientSex: 'F',
    ...more,
  };
  const bytes = writeFile({ ...datasetOf(attributes), ...raw }, { implementationClassUid: '1.2.3' });
  await archive.store(bytes, { origin: 'dimse', source: 'CT1', associationId: 'a1' });
  stored.add(sopInstanceUid);
  return uid(study);
}

async function eventually<T>(what: () => Promise<T>, good: (value: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const value = await what().catch(() => undefined);
    if (value !== undefined && good(value)) return value;
    if (tries > 150)
      throw new Error(
        `did not come about: ${JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v))}`,
      );
    await sleep(100);
  }
}
const decided = (studyInstanceUid: string) =>
  eventually(
    () => peers.identity.getDecision({ studyInstanceUid }),
    ({ state }) => state !== identity.DecisionState.DECISION_STATE_PENDING,
  );
async function statusOf(service: string, studyInstanceUid: string): Promise<operations.GetStudyStatusResponse> {
  const channel = createChannel(running.find(({ name }) => name === service)?.grpcAddress ?? '');
  try {
    const client = createClient(operations.StudyStatusServiceDefinition, channel);
    return await client.getStudyStatus({ studyInstanceUid });
  } finally {
    channel.close();
  }
}
const get = async (path: string): Promise<unknown> => (await fetch(`${base}${path}`)).json();

describe('study-index and identity-mapping, running', () => {
  it('take an archived instance to a complete study that is linked to a Patient of the record', async () => {
    const one = await store('one', 1);
    await store('one', 2);
    const decision = await decided(one);
    expect(decision.state).toBe(identity.DecisionState.DECISION_STATE_LINKED);
    expect(await get(`/fhir/${decision.patientReference}`)).toMatchObject({
      birthDate: '1970-01-31',
      meta: { tag: [{ code: 'provisional' }] },
    });
    // The first may be a revision of its own, when the second comes after its quiet period.
    const { study } = await eventually(
      () => peers.studyIndex.getStudy({ studyInstanceUid: one }),
      ({ study }) =>
        study?.state === imaging.StudyState.STUDY_STATE_COMPLETE && study.series[0]?.instances.length === 2,
    );
    expect(study).toMatchObject({ identityDigest: decision.identityDigest });
    const lease = await peers.identity.acquirePublishLease({
      studyInstanceUid: one,
      decisionId: decision.decisionId,
      holder: 'spec',
    });
    expect(lease.patientReference).toBe(decision.patientReference);
    await peers.identity.confirmPublishLease({ leaseId: lease.leaseId });
    await peers.identity.releasePublishLease({ leaseId: lease.leaseId });
  });

  it('quarantine another person under the same Patient ID until somebody decides', async () => {
    await decided(await store('one', 1));
    const two = await store('two', 1, { PatientName: 'Roe^Rick', PatientBirthDate: '19800202', PatientSex: 'M' });
    const decision = await decided(two);
    expect(decision).toMatchObject({ state: identity.DecisionState.DECISION_STATE_QUARANTINED, patientReference: '' });
    const { decisions } = (await get('/api/identity/quarantine')) as {
      decisions: { decisionId: string; reasons: string[] }[];
    };
    expect(decisions.filter(({ decisionId }) => decisionId === decision.decisionId)).toMatchObject([
      { reasons: ['birth-date-contradicts', 'sex-contradicts', 'name-contradicts'] },
    ]);
    const resolve = (body: unknown) =>
      fetch(`${base}/api/identity/quarantine/${decision.decisionId}/resolve`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expect((await resolve({ action: 'link', patient: 'Patient/none', decidedBy: 'dr' })).status).toBe(400);
    expect((await resolve({ action: 'create-patient', decidedBy: 'dr' })).status).toBe(200);
    expect((await resolve({ action: 'create-patient', decidedBy: 'dr' })).status).toBe(200);
    expect((await resolve({ action: 'reject', decidedBy: 'dr' })).status).toBe(409);
    const after = await decided(two);
    expect(after.state).toBe(identity.DecisionState.DECISION_STATE_LINKED);
    expect(after.patientReference).not.toBe((await decided(uid('one'))).patientReference);
  });

  it('judge anew when a correction changes the Patient ID, and reindex from the archive alone', async () => {
    const three = await store('three', 1, { PatientID: 'WRONG' });
    const before = await decided(three);
    await store('three', 1, { PatientID: 'RIGHT' });
    const after = await eventually(
      () => decided(three),
      ({ decisionId }) => decisionId !== before.decisionId,
    );
    expect(after.patientReference).not.toBe(before.patientReference);
    let last: imaging.ReindexResponse | undefined;
    for await (const progress of peers.studyIndex.reindex({})) last = progress;
    const all = BigInt(stored.size);
    expect(last).toMatchObject({ instancesDone: all, instancesTotal: all, instancesFailed: 0n });
    expect((await peers.studyIndex.getDemographics({ studyInstanceUid: three })).patientId).toBe('RIGHT');
  });

  it('tell operators where a study is, in codes and without anything of its patient', async () => {
    const planted = { PatientName: 'Plantedname^Ann', PatientID: 'PLANTED-1', PatientBirthDate: '19630417' };
    await decided(await store('one', 1));
    const study = await store('four', 1, { ...planted, PatientID: 'P-77', AccessionNumber: 'PLANTED-2' });
    await decided(study);
    const index = await eventually(
      () => statusOf('study-index', study),
      ({ completeness }) => completeness?.state === 'complete',
    );
    expect(index).toMatchObject({ service: 'study-index', intake: { instances: 1, issuedByCallosum: 0 } });
    expect(index.intake?.lastStoredAt).toBe(index.intake?.firstStoredAt);
    expect(index.completeness).toMatchObject({ revision: 1, instances: 1, series: 1 });
    expect(index.completeness?.evidence).toBe('COMPLETENESS_EVIDENCE_QUIET_PERIOD');
    const told = await statusOf('identity-mapping', study);
    expect(told.identity).toMatchObject({ state: 'quarantined', decidedBy: 'rules', decisions: 1, provisional: false });
    expect(told.identity?.reasons).toEqual(['birth-date-contradicts', 'name-contradicts']);
    const text = [index, told].map((one) => JSON.stringify(operations.GetStudyStatusResponse.toJSON(one))).join();
    expect(text).not.toMatch(/planted|P-77|1963-?04-?17/i);

    for (const service of ['study-index', 'identity-mapping', 'fhir-gateway']) {
      const nothing = await statusOf(service, uid('never sent'));
      expect(nothing).toMatchObject({ intake: undefined, completeness: undefined, identity: undefined, parked: [] });
    }
  });

  it('answer a wrong request with the reason, over gRPC and HTTP', async () => {
    await expect(peers.studyIndex.getStudy({ studyInstanceUid: '1.2.3' })).rejects.toThrow(/NOT_FOUND/);
    await expect(peers.studyIndex.getStudy({ studyInstanceUid: 'x' })).rejects.toThrow(/INVALID_ARGUMENT/);
    await expect(peers.identity.confirmPublishLease({ leaseId: 'none' })).rejects.toThrow(/FAILED_PRECONDITION/);
    expect((await fetch(`${base}/api/identity/decisions/x`)).status).toBe(400);
    expect((await fetch(`${base}/api/identity/quarantine?limit=0`)).status).toBe(400);
  });

  it.each<[string, string, DicomJson, Attributes, string]>([
    [
      'a name in a character set that nobody knows',
      'unread-name',
      { '00100010': { vr: 'PN', bytes: Buffer.from('M\xdcLLER^ANNA', 'latin1') } },
      { SpecificCharacterSet: 'ISO_IR 9999', PatientID: 'P-78', PatientBirthDate: '' },
      'uncorroborated',
    ],
    [
      'a Patient ID that holds a control character',
      'unread-id',
      { '00100020': { vr: 'LO', bytes: Buffer.from('P-\x0078 ', 'latin1') } },
      {},
      'malformed-patient-id',
    ],
  ])('do not link by %s', async (_, name, raw, more, reason) => {
    const known = { PatientID: 'P-78', PatientName: 'MÜLLER^ANNA', PatientBirthDate: '19700131' };
    await decided(await store('readable', 1, known));
    const one = await store(name, 1, more, raw);
    expect((await decided(one)).state).toBe(identity.DecisionState.DECISION_STATE_QUARANTINED);
    const { decisions } = (await get(`/api/identity/decisions/${one}`)) as {
      decisions: { decisionId: string; reasons: string[]; evidence: { demographics: Record<string, string> } }[];
    };
    expect(decisions[0]?.reasons).toEqual([reason]);
    expect(JSON.stringify(decisions[0]?.evidence.demographics)).toContain('\uFFFD');
    await fetch(`${base}/api/identity/quarantine/${decisions[0]?.decisionId ?? ''}/resolve`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ action: 'reject', decidedBy: 'dr' }),
    });
  });
});
