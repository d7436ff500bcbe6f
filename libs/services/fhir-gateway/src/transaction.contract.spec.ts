import { readFile } from 'node:fs/promises';

import {
  type Bundle,
  type BundleEntry,
  FhirClient,
  type OperationOutcome,
  type Patient,
  resolvedReferences,
  type Resource,
  TransactionBuilder,
} from '@callosum/fhir';
import { startPostgres, testDataPath, type TestPostgres } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { type Answer, startGateway, type TestGateway } from './gateway-for-tests.js';

let postgres: TestPostgres;
let gateway: TestGateway;
beforeAll(async () => {
  postgres = await startPostgres();
  gateway = await startGateway(await postgres.createDatabase());
  // All connections open before the first race, or they would line up behind each other's handshakes.
  await Promise.all(Array.from({ length: 20 }, () => gateway.database.pool.query('select pg_sleep(0.1)')));
});
afterAll(async () => {
  await gateway?.stop();
  await postgres?.stop();
});

const patient = (value: string, more: Partial<Patient> = {}): Patient => ({
  resourceType: 'Patient',
  identifier: [{ system: 'urn:oid:1.2.3', value }],
  ...more,
});
const bundle = (type: 'batch' | 'transaction', ...entry: BundleEntry[]): Bundle => ({
  resourceType: 'Bundle',
  type,
  entry,
});
const post = (body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  gateway.send('POST', '/', body, headers);
const entries = (answer: Answer): BundleEntry[] => (answer.body as Bundle).entry ?? [];
const statuses = (answer: Answer): (string | undefined)[] => entries(answer).map(({ response }) => response?.status);
const total = async (query: string): Promise<number | undefined> =>
  ((await gateway.send('GET', `/${query}`)).body as Bundle).total;
const read = async <T extends Resource>(reference: string | undefined): Promise<T> =>
  (await gateway.send('GET', `/${reference ?? ''}`)).body as T;

const urn = (n: number): string => `urn:uuid:00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const observation = (subject: string): Resource => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'volume' },
  subject: { reference: subject },
});

describe('conditional create', () => {
  it('gives back the one there is, refuses when there are more', async () => {
    const headers = { 'if-none-exist': 'identifier=urn:oid:1.2.3|cc-1' };
    const first = await gateway.send('POST', '/Patient', patient('cc-1'), headers);
    const second = await gateway.send('POST', '/Patient', patient('cc-1', { gender: 'male' }), headers);
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(second.body).toEqual(first.body);
    await gateway.send('POST', '/Patient', patient('cc-1'));
    const third = await gateway.send('POST', '/Patient', patient('cc-1'), headers);
    expect([third.status, (third.body as OperationOutcome).issue?.[0]?.code]).toEqual([412, 'multiple-matches']);
  });

  it('makes one of many at the same time, however the condition is written', async () => {
    const conditions = ['identifier=urn:oid:1.2.3|cc-2', 'identifier=cc-2', 'identifier=urn%3Aoid%3A1.2.3%7Ccc-2'];
    const direct = Array.from({ length: 15 }, (_, n) =>
      gateway.send('POST', '/Patient', patient('cc-2'), { 'if-none-exist': conditions[n % 3] ?? '' }),
    );
    const bundled = Array.from({ length: 15 }, () =>
      post(
        bundle(
          'transaction',
          {
            fullUrl: urn(1),
            resource: patient('cc-2'),
            request: { method: 'POST', url: 'Patient', ifNoneExist: 'identifier=cc-2' },
          },
          { resource: observation(urn(1)), request: { method: 'POST', url: 'Observation' } },
        ),
      ),
    );
    const answers = await Promise.all([...direct, ...bundled]);
    expect(answers.map(({ status }) => status).filter((status) => status >= 300)).toEqual([]);
    expect(await total('Patient?identifier=cc-2')).toBe(1);
    const { entry } = (await gateway.send('GET', '/Patient?identifier=cc-2')).body as Bundle;
    expect(await total(`Observation?subject=Patient/${entry?.[0]?.resource?.id ?? ''}`)).toBe(15);
  });
});

describe('conditional update', () => {
  it('updates the one there is, creates when there is none, refuses when there are more', async () => {
    const path = '/Patient?identifier=urn:oid:1.2.3|cu-1';
    const made = await gateway.send('PUT', path, patient('cu-1'));
    const changed = await gateway.send('PUT', path, patient('cu-1', { gender: 'male' }));
    expect([made.status, changed.status]).toEqual([201, 200]);
    expect((changed.body as Patient).id).toBe((made.body as Patient).id);
    expect((changed.body as Patient).meta?.versionId).toBe('2');
    expect((await gateway.send('PUT', path, { ...patient('cu-1'), id: 'another' })).status).toBe(400);
    await gateway.send('POST', '/Patient', patient('cu-1'));
    expect((await gateway.send('PUT', path, patient('cu-1'))).status).toBe(412);
  });

  it('makes one of many at the same time', async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        gateway.send('PUT', '/Device?identifier=cu-2', { resourceType: 'Device', identifier: [{ value: 'cu-2' }] }),
      ),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(await total('Device?identifier=cu-2')).toBe(1);
  });
});

describe('transaction', () => {
  it('rewrites references between its entries, whatever their order', async () => {
    const builder = new TransactionBuilder();
    const later = urn(7);
    const study = builder.create({
      resourceType: 'ImagingStudy',
      status: 'available',
      subject: { reference: later },
      text: {
        status: 'generated',
        div: `<div xmlns="http://www.w3.org/1999/xhtml"><a href="${later}">patient</a></div>`,
      },
      identifier: [{ system: 'urn:ietf:rfc:3986', value: later }],
    });
    const request = builder.build();
    request.entry?.push({ fullUrl: later, resource: patient('tx-1'), request: { method: 'POST', url: 'Patient' } });
    const response = await new FhirClient({ baseUrl: gateway.base }).bundle(request);
    const resolved = resolvedReferences(request, response);
    const patientReference = resolved.get(later);
    const stored = await read<Resource & { subject: unknown; text: { div: string }; identifier: { value: string }[] }>(
      resolved.get(study.reference),
    );
    expect(stored.subject).toEqual({ reference: patientReference });
    expect(stored.text.div).toContain(`href="${patientReference}"`);
    // An identifier is a name, not a link.
    expect(stored.identifier[0]?.value).toBe(later);
  });

  it('makes no version of what it finds as it would write it', async () => {
    const whole = (value: number) => {
      const builder = new TransactionBuilder();
      const subject = builder.conditionalUpdate(patient('same-1', { meta: { tag: [{ code: 'kept' }] } }), {
        identifier: 'urn:oid:1.2.3|same-1',
      });
      const volume = { ...observation(subject.reference), identifier: [{ value: 'same-1' }], valueInteger: value };
      builder.conditionalUpdate(volume as Resource, { identifier: 'same-1' });
      return builder.build();
    };
    const versions = (answer: Answer) => entries(answer).map(({ response }) => response?.etag);
    const first = await post(whole(1));
    const again = await post(whole(1));
    const changed = await post(whole(2));
    expect([first, again, changed].map(statuses)).toEqual([
      ['201', '201'],
      ['200', '200'],
      ['200', '200'],
    ]);
    expect(versions(again)).toEqual(['W/"1"', 'W/"1"']);
    expect(versions(changed)).toEqual(['W/"1"', 'W/"2"']);
    expect(entries(again).map(({ response }) => response?.lastModified)).toEqual(
      entries(first).map(({ response }) => response?.lastModified),
    );
    const { id = '' } = await read<Patient>(entries(first)[0]?.response?.location?.split('/_history')[0]);
    expect(await total(`Patient/${id}/_history`)).toBe(1);
    // What was deleted is there again, though it says what it said before.
    await gateway.send('DELETE', `/Patient/${id}`);
    const back = await gateway.send('PUT', `/Patient/${id}`, { ...patient('same-1'), id });
    expect([back.status, (back.body as Patient).meta?.versionId]).toEqual([201, '3']);
  });

  it('does all or nothing', async () => {
    const before = await total('Patient?_total=accurate');
    const bad: readonly BundleEntry[] = [
      {
        resource: { resourceType: 'Patient', gender: 'M' } as unknown as Patient,
        request: { method: 'POST', url: 'Patient' },
      },
      {
        resource: { ...patient('x'), id: 'nobody' },
        request: { method: 'PUT', url: 'Patient/nobody', ifMatch: 'W/"3"' },
      },
      { resource: observation('Patient?identifier=nobody-at-all'), request: { method: 'POST', url: 'Observation' } },
      { resource: observation(urn(99)), request: { method: 'POST', url: 'Observation' } },
      { request: { method: 'GET', url: 'Patient/nobody' } },
      { request: { method: 'PATCH', url: 'Patient/nobody' } },
      { resource: patient('x'), request: { method: 'POST', url: 'Patient', ifNoneExist: 'shoe-size=42' } },
    ];
    const answers = [];
    for (const one of bad) {
      answers.push(
        await post(
          bundle(
            'transaction',
            { fullUrl: urn(1), resource: patient('tx-rollback'), request: { method: 'POST', url: 'Patient' } },
            one,
          ),
        ),
      );
    }
    expect(answers.map(({ status }) => status)).toEqual([422, 412, 412, 400, 404, 405, 400]);
    expect(answers.every(({ body }) => (body as Resource).resourceType === 'OperationOutcome')).toBe(true);
    expect(await total('Patient?_total=accurate')).toBe(before);
    expect(await total('Patient?identifier=tx-rollback')).toBe(0);
  });

  it('deletes, creates, updates and reads in this order, and answers in the order of the request', async () => {
    await gateway.send('PUT', '/Patient/tx-old', { ...patient('tx-old'), id: 'tx-old' });
    await gateway.send('PUT', '/Patient/tx-kept', { ...patient('tx-kept'), id: 'tx-kept' });
    const answer = await post(
      bundle(
        'transaction',
        { request: { method: 'GET', url: 'Patient?identifier=tx-old,tx-new,tx-changed' } },
        { resource: { ...patient('tx-changed'), id: 'tx-kept' }, request: { method: 'PUT', url: 'Patient/tx-kept' } },
        { resource: patient('tx-new'), request: { method: 'POST', url: 'Patient', ifNoneExist: 'identifier=tx-old' } },
        { request: { method: 'DELETE', url: 'Patient/tx-old' } },
      ),
    );
    expect(statuses(answer)).toEqual(['200', '200', '201', '204']);
    const inside = entries(answer)[0]?.resource as Bundle;
    expect(inside.entry?.map(({ resource }) => (resource as Patient).identifier?.[0]?.value).sort()).toEqual([
      'tx-changed',
      'tx-new',
    ]);
    expect(entries(answer)[2]?.response?.location).toMatch(/^Patient\/[^/]+\/_history\/1$/);
  });

  it('resolves conditional references, also to what it made itself', async () => {
    const answer = await post(
      bundle(
        'transaction',
        {
          resource: observation('Patient?identifier=urn:oid:1.2.3|tx-cond'),
          request: { method: 'POST', url: 'Observation' },
        },
        { resource: patient('tx-cond'), request: { method: 'POST', url: 'Patient' } },
      ),
      { prefer: 'return=representation' },
    );
    const [made, subject] = entries(answer).map(({ resource }) => resource);
    expect((made as { subject?: unknown }).subject).toEqual({ reference: `Patient/${subject?.id ?? ''}` });
    expect(await total(`Observation?subject=Patient/${subject?.id ?? ''}`)).toBe(1);
    await post(bundle('transaction', { resource: patient('tx-cond'), request: { method: 'POST', url: 'Patient' } }));
    const ambiguous = await post(
      bundle('transaction', {
        resource: observation('Patient?identifier=tx-cond'),
        request: { method: 'POST', url: 'Observation' },
      }),
    );
    expect([ambiguous.status, (ambiguous.body as OperationOutcome).issue?.[0]?.code]).toEqual([
      412,
      'multiple-matches',
    ]);
  });

  it('refuses two entries about the same resource, and makes one of two equal conditions', async () => {
    const put: BundleEntry = {
      resource: { ...patient('tx-twice'), id: 'tx-twice' },
      request: { method: 'PUT', url: 'Patient/tx-twice' },
    };
    expect(
      (await post(bundle('transaction', put, { request: { method: 'DELETE', url: 'Patient/tx-twice' } }))).status,
    ).toBe(400);
    expect((await post(bundle('transaction', put, put))).status).toBe(400);
    const create: BundleEntry = {
      resource: patient('tx-once'),
      request: { method: 'POST', url: 'Patient', ifNoneExist: 'identifier=tx-once' },
    };
    const answer = await post(bundle('transaction', create, create));
    expect(statuses(answer)).toEqual(['201', '200']);
    expect(await total('Patient?identifier=tx-once')).toBe(1);
  });

  it('never deadlocks on resources written in opposite order', async () => {
    const put = (id: string, multipleBirthInteger: number): BundleEntry => ({
      resource: { ...patient(id, { multipleBirthInteger }), id },
      request: { method: 'PUT', url: `Patient/${id}` },
    });
    const ids = Array.from({ length: 10 }, (_, n) => `dl-${n}`);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        post(bundle('transaction', ...(n % 2 ? ids : [...ids].reverse()).map((id) => put(id, n)))),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect((await read<Patient>('Patient/dl-0')).meta?.versionId).toBe('20');
  });
});

describe('links of a transaction', () => {
  const at = (fullUrl: string, id: string): BundleEntry => ({
    fullUrl,
    resource: { ...patient(id), id },
    request: { method: 'PUT', url: `Patient/${id}` },
  });
  const about = (subject: string, fullUrl?: string): BundleEntry => ({
    ...(fullUrl ? { fullUrl } : {}),
    resource: observation(subject),
    request: { method: 'POST', url: 'Observation' },
  });
  const subjects = async (...entry: BundleEntry[]): Promise<(string | undefined)[]> => {
    const answer = await post(bundle('transaction', ...entry), { prefer: 'return=representation' });
    return entries(answer).map(({ resource }) => (resource as { subject?: { reference?: string } }).subject?.reference);
  };

  it('tell apart ids that differ in case alone', async () => {
    const both = [at('http://h/fhir/Patient/link', 'link'), at('http://h/fhir/Patient/LINK', 'LINK')];
    const found = await subjects(
      ...both,
      about('http://h/fhir/Patient/LINK'),
      about('http://h/fhir/Patient/link'),
      about('Patient/LINK', 'http://h/fhir/Observation/1'),
    );
    expect(found.slice(2)).toEqual(['Patient/LINK', 'Patient/link', 'Patient/LINK']);
    // Another person, whom this bundle does not hold, stays the one who was named.
    const foreign = await subjects(at('http://h/fhir/Patient/link', 'link'), about('http://h/fhir/Patient/Link'));
    expect(foreign[1]).toBe('http://h/fhir/Patient/Link');
  });

  it('take a UUID in either case for the same', async () => {
    const uuid = 'urn:uuid:abcdef00-0000-4000-8000-000000000001';
    expect((await subjects(at(uuid, 'uuid-1'), about(uuid.toUpperCase().replace('URN:UUID', 'urn:uuid'))))[1]).toBe(
      'Patient/uuid-1',
    );
    const dangling = await post(bundle('transaction', about(uuid.toUpperCase())));
    expect(dangling.status).toBe(400);
  });

  it.each(['transaction', 'batch'] as const)('of one fullUrl twice are refused in a %s', async (type) => {
    const answer = await post(bundle(type, at(urn(1), 'twice-1'), at(urn(1).toUpperCase(), 'twice-2')));
    expect([answer.status, (answer.body as OperationOutcome).issue?.[0]?.expression]).toEqual([
      400,
      ['Bundle.entry[1].fullUrl'],
    ]);
    expect(await total('Patient?_id=twice-1,twice-2')).toBe(0);
  });
});

describe('a refused transaction', () => {
  const good: BundleEntry = { resource: patient('why'), request: { method: 'POST', url: 'Patient' } };
  const get: BundleEntry = { request: { method: 'GET', url: 'Patient?identifier=why' } };
  const put = (id: string, more: object = {}): BundleEntry => ({
    resource: { ...patient('why'), id },
    request: { method: 'PUT', url: `Patient/${id}`, ...more },
  });
  const cases: readonly (readonly [string, BundleEntry, number, string])[] = [
    [
      'is not valid',
      {
        resource: { resourceType: 'Patient', gender: 'M' } as unknown as Patient,
        request: { method: 'POST', url: 'Patient' },
      },
      422,
      'Bundle.entry[2].resource.gender',
    ],
    [
      'has another type',
      { resource: observation('x'), request: { method: 'POST', url: 'Patient' } },
      400,
      'Bundle.entry[2]',
    ],
    ['is stale', put('why-1', { ifMatch: 'W/"9"' }), 412, 'Bundle.entry[2]'],
    ['exists', put('why-0', { ifNoneMatch: '*' }), 412, 'Bundle.entry[2]'],
    [
      'dangles',
      { resource: observation(urn(99)), request: { method: 'POST', url: 'Observation' } },
      400,
      'Bundle.entry[2]',
    ],
    [
      'refers to nobody',
      { resource: observation('Patient?identifier=nobody'), request: { method: 'POST', url: 'Observation' } },
      412,
      'Bundle.entry[2]',
    ],
    ['reads nothing', { request: { method: 'GET', url: 'Patient/nobody' } }, 404, 'Bundle.entry[2]'],
    ['has no such type', { request: { method: 'GET', url: 'Quux/1' } }, 404, 'Bundle.entry[2]'],
    ['has no request', {}, 400, 'Bundle.entry[2]'],
  ];
  it.each(cases)('says which entry %s', async (_name, entry, status, expression) => {
    await gateway.send('PUT', '/Patient/why-0', { ...patient('why-0'), id: 'why-0' });
    const answer = await post(bundle('transaction', get, good, entry));
    const { issue } = answer.body as OperationOutcome;
    expect([answer.status, issue?.map((one) => one.expression)]).toEqual([status, [[expression]]]);
    expect(await total('Patient?identifier=urn:oid:1.2.3|why')).toBe(0);
  });
});

describe('batch', () => {
  it('does what it can and says of each entry how it went', async () => {
    const answer = await post(
      bundle(
        'batch',
        { resource: patient('ba-1'), request: { method: 'POST', url: 'Patient' } },
        {
          resource: { resourceType: 'Patient', gender: 'M' } as unknown as Patient,
          request: { method: 'POST', url: 'Patient' },
        },
        { request: { method: 'GET', url: 'Patient/nobody' } },
        { request: { method: 'GET', url: 'Patient?identifier=ba-1' } },
        {},
      ),
    );
    expect(answer.status).toBe(200);
    expect(statuses(answer)).toEqual(['201', '422', '404', '200', '400']);
    expect(entries(answer)[1]?.response?.outcome?.resourceType).toBe('OperationOutcome');
    expect((entries(answer)[3]?.resource as Bundle).total).toBe(1);
  });
});

const synthea = testDataPath('fhir', 'synthea-generated');
describe.skipIf(!synthea)('a synthetic patient history (shared test data)', () => {
  it('is stored whole, with its conditional references to hospitals and practitioners', async () => {
    for (const name of [
      '0-hospitalInformation.json',
      '1-practitionerInformation.json',
      'viral-sepsis-recovered_Piper612.json',
    ]) {
      const content = await readFile(`${synthea ?? ''}/${name}`, 'utf8');
      const answer = await post(content);
      expect([name, answer.status]).toEqual([name, 200]);
      expect(entries(answer)).toHaveLength((JSON.parse(content) as Bundle).entry?.length ?? 0);
    }
    const { rows } = await gateway.database.pool.query<{ dangling: number }>(
      `select count(*)::int as dangling from resource_version where content::text ~ '"reference":"(urn:uuid:|[A-Za-z]+\\?)'`,
    );
    expect(rows[0]?.dangling).toBe(0);
  });
});
