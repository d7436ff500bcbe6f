import {
  type Bundle,
  type CapabilityStatement,
  FhirClient,
  FhirRequestError,
  identifierToken,
  type Patient,
  type Resource,
  uidIdentifier,
} from '@callosum/fhir';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startGateway, type TestGateway } from './gateway-for-tests.js';

let postgres: TestPostgres;
let gateway: TestGateway;
let client: FhirClient;

const ids = new Map<string, string>();
/** Stores under a short name that tests use; the server gives the id. */
async function store(name: string, resource: Resource): Promise<void> {
  const answer = await gateway.send('POST', `/${resource.resourceType}`, resource);
  expect([name, answer.status, JSON.stringify(answer.body)]).toEqual([name, 201, expect.any(String)]);
  ids.set((answer.body as Resource).id ?? '', name);
}
const idOf = (name: string): string => [...ids].find(([, known]) => known === name)?.[0] ?? '';
const named = ({ entry }: Bundle): (string | undefined)[] =>
  (entry ?? []).map(({ resource }) => ids.get(resource?.id ?? '')).sort();
async function find(query: string): Promise<(string | undefined)[]> {
  const answer = await gateway.send('GET', `/${query}`);
  expect([query, answer.status, JSON.stringify(answer.body)]).toEqual([query, 200, expect.any(String)]);
  return named(answer.body as Bundle);
}

/** All that an ImagingStudy must have. */
const ever = {
  resourceType: 'ImagingStudy',
  status: 'registered',
  subject: { display: 'somebody' },
} as const satisfies Resource;
const uid = '1.2.826.0.1.3680043.8.498.1';

beforeAll(async () => {
  postgres = await startPostgres();
  gateway = await startGateway(await postgres.createDatabase());
  client = new FhirClient({ baseUrl: gateway.base });
  await store('ada', {
    resourceType: 'Patient',
    meta: { tag: [{ system: 'urn:example:tags', code: 'provisional' }] },
    identifier: [{ system: 'urn:oid:1.2', value: 'A-1' }],
    name: [{ family: 'Löwenstein', given: ['Ada', 'Maria'] }],
    gender: 'female',
    birthDate: '1970-03-01',
  });
  await store('bob', {
    resourceType: 'Patient',
    identifier: [{ system: 'urn:oid:9.9', value: 'A-1' }],
    name: [{ family: 'Lowe' }],
    gender: 'male',
    birthDate: '1970-03',
  });
  await store('cy', {
    resourceType: 'Patient',
    identifier: [{ value: 'A-1' }, { system: 'urn:x', value: 'a|b,c$d\\e' }],
  });
  const subject = { reference: `Patient/${idOf('ada')}` };
  await store('study', {
    resourceType: 'ImagingStudy',
    status: 'available',
    subject,
    identifier: [uidIdentifier(uid)],
    started: '2024-05-01T10:00:00+02:00',
    endpoint: [{ reference: 'Endpoint/e1' }],
  });
  await store('order', {
    resourceType: 'ServiceRequest',
    status: 'active',
    intent: 'order',
    subject,
    identifier: [{ system: 'urn:accessions', value: 'ACC1' }],
  });
  await store('report', {
    resourceType: 'DiagnosticReport',
    status: 'preliminary',
    code: { coding: [{ system: 'http://loinc.org', code: '18748-4' }] },
    subject: { reference: `https://callosum.example/fhir/Patient/${idOf('ada')}` },
    basedOn: [{ reference: `ServiceRequest/${idOf('order')}` }],
  });
  await store('volume', {
    resourceType: 'Observation',
    status: 'final',
    code: { coding: [{ system: 'http://snomed.info/sct', code: '118565006' }] },
    subject: { identifier: { system: 'urn:oid:1.2', value: 'A-1' } },
    derivedFrom: [{ reference: `ImagingStudy/${idOf('study')}` }],
  });
  await store('task', {
    resourceType: 'Task',
    status: 'requested',
    intent: 'order',
    focus: { reference: `DiagnosticReport/${idOf('report')}` },
    for: subject,
  });
  await store('model', { resourceType: 'Device', identifier: [{ system: 'urn:models', value: 'lung-ct@1' }] });
  await store('provenance', {
    resourceType: 'Provenance',
    target: [{ reference: `DiagnosticReport/${idOf('report')}/_history/1` }],
    recorded: '2024-05-01T10:00:00Z',
    agent: [{ who: { reference: `Device/${idOf('model')}` } }],
  });
  await store('endpoint', {
    resourceType: 'Endpoint',
    status: 'active',
    identifier: [{ system: 'urn:endpoints', value: 'wado' }],
    connectionType: { system: 'http://terminology.hl7.org/CodeSystem/endpoint-connection-type', code: 'dicom-wado-rs' },
    payloadType: [{ text: 'DICOM' }],
    address: 'http://127.0.0.1:8080/dicom-web',
  });
});
afterAll(async () => {
  await gateway?.stop();
  await postgres?.stop();
});

describe('searches of the path', () => {
  const uidToken = encodeURIComponent(identifierToken(uidIdentifier(uid)));
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['Patient?identifier=urn:oid:1.2|A-1', ['ada']],
    ['Patient?identifier=A-1', ['ada', 'bob', 'cy']],
    ['Patient?identifier=|A-1', ['cy']],
    ['Patient?identifier=urn:oid:1.2|', ['ada']],
    ['Patient?identifier=a-1', []],
    ['Patient?identifier=urn:x|a\\|b\\,c\\$d\\\\e', ['cy']],
    ['Patient?identifier=urn:oid:1.2|A-1,urn:oid:9.9|A-1', ['ada', 'bob']],
    ['Patient?identifier=A-1&gender=male', ['bob']],
    ['Patient?gender:not=male', ['ada', 'cy']],
    ['Patient?gender:missing=true', ['cy']],
    ['Patient?gender=http://hl7.org/fhir/administrative-gender|male', ['bob']],
    ['Patient?gender=http://hl7.org/fhir/administrative-gender|', ['ada', 'bob']],
    ['Patient?gender=http://hl7.org/fhir/observation-status|male', []],
    ['Patient?gender:not=http://hl7.org/fhir/administrative-gender|male', ['ada', 'cy']],
    ['Observation?status=http://hl7.org/fhir/observation-status|final', ['volume']],
    ['ImagingStudy?status=http://hl7.org/fhir/imagingstudy-status|available', ['study']],
    // A system that an identifier lacks is not implied by anything.
    ['Patient?identifier=urn:none|A-1', []],
    ['Patient?_id:missing=true', []],
    ['Patient?_id:missing=false', ['ada', 'bob', 'cy']],
    ['Patient?_lastUpdated:missing=true', []],
    ['Patient?name=lowe', ['ada', 'bob']],
    ['Patient?name=LOWENS', ['ada']],
    ['Patient?family:exact=Lowe', ['bob']],
    ['Patient?family:exact=lowe', []],
    ['Patient?name:contains=stein', ['ada']],
    ['Patient?given=maria', ['ada']],
    ['Patient?birthdate=1970-03-01', ['ada']],
    ['Patient?birthdate=1970-03', ['ada', 'bob']],
    ['Patient?birthdate=lt1970-03-01', []],
    ['Patient?birthdate=ge1970-03-01&birthdate=le1970-03-01', ['ada']],
    ['Patient?birthdate=gt1970-03-01', ['bob']],
    ['Patient?birthdate=ne1970-03-01', ['bob']],
    ['Patient?_tag=urn:example:tags|provisional', ['ada']],
    ['Patient?_lastUpdated=gt2020-01-01&_lastUpdated=lt2020-02-01', []],
    ['Patient?_lastUpdated=gt2020', ['ada', 'bob', 'cy']],
    [`ImagingStudy?identifier=${uidToken}`, ['study']],
    ['ImagingStudy?status=available', ['study']],
    ['ImagingStudy?started=2024-05-01', ['study']],
    ['ImagingStudy?started=eq2024-05-01T08:00:00Z', ['study']],
    ['ImagingStudy?started=sa2024-05-01T08:00:00Z', []],
    ['ImagingStudy?endpoint=Endpoint/e1', ['study']],
    ['DiagnosticReport?status=preliminary&code=http://loinc.org|18748-4', ['report']],
    ['DiagnosticReport?code=18748-4', ['report']],
    ['DiagnosticReport?code=http://other|18748-4', []],
    ['Observation?code=118565006', ['volume']],
    ['Observation?subject:identifier=urn:oid:1.2|A-1', ['volume']],
    ['Task?status=requested', ['task']],
    ['Device?identifier=urn:models|lung-ct@1', ['model']],
    ['Endpoint?identifier=wado&status=active', ['endpoint']],
    ['ServiceRequest?identifier=urn:accessions|ACC1', ['order']],
  ];
  it.each(cases)('%s', async (query, expected) => {
    expect(await find(query)).toEqual(expected);
  });

  it('reach the first and the last date there is', async () => {
    await store('last', { resourceType: 'Patient', birthDate: '9999-12-31', active: false });
    await store('first', { resourceType: 'Patient', birthDate: '0001-01-01', active: false });
    const encounter = (period: object): Resource =>
      ({
        resourceType: 'Encounter',
        status: 'finished',
        class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' },
        period,
      }) as Resource;
    await store('to the end', encounter({ start: '2024-01-01', end: '9999-12-31' }));
    await store('after the end', encounter({ start: '9999-12-31T23:00:00-05:00' }));
    await store('made late', { ...ever, started: '9999-12-31', identifier: [uidIdentifier('1.2.3')] });
    for (const [query, expected] of [
      ['Patient?active=false&birthdate=9999-12-31', ['last']],
      ['Patient?active=false&birthdate=9999', ['last']],
      ['Patient?active=false&birthdate=lt9999-12-31', ['first']],
      ['Patient?active=false&birthdate=0001', ['first']],
      ['Patient?active=false&birthdate=0000', []],
      ['Patient?active=false&birthdate=gt0000', ['first', 'last']],
      ['Patient?active=false&birthdate=lt0000-06-30', []],
      ['Patient?_lastUpdated=gt9999-12-31', []],
      ['Patient?active=false&_lastUpdated=lt9999-12-31', ['first', 'last']],
      ['Patient?_lastUpdated=lt0000', []],
      ['Encounter?date=9999-12-31', []],
      ['Encounter?date=sa9999-12-31', ['after the end']],
      ['Encounter?date=ap9999-12-31', ['to the end']],
      ['ImagingStudy?started=9999-12-31', ['made late']],
    ] as const)
      expect([query, await find(query)]).toEqual([query, expected]);
  });

  it('follow references in every form they are written', async () => {
    const ada = idOf('ada');
    for (const form of [
      ada,
      `Patient/${ada}`,
      `${gateway.base}/Patient/${ada}`,
      `https://callosum.example/fhir/Patient/${ada}`,
    ]) {
      expect(await find(`ImagingStudy?patient=${form}`)).toEqual(['study']);
      expect(await find(`DiagnosticReport?subject=${form}`)).toEqual(['report']);
    }
    expect(await find(`ImagingStudy?subject:Patient=${ada}`)).toEqual(['study']);
    expect(await find(`ImagingStudy?subject:Device=${ada}`)).toEqual([]);
    expect(await find(`DiagnosticReport?based-on=ServiceRequest/${idOf('order')}`)).toEqual(['report']);
    expect(await find(`Observation?derived-from=ImagingStudy/${idOf('study')}`)).toEqual(['volume']);
    expect(await find(`Task?focus=DiagnosticReport/${idOf('report')}&patient=${ada}`)).toEqual(['task']);
    expect(await find(`Provenance?target=DiagnosticReport/${idOf('report')}`)).toEqual(['provenance']);
    expect(await find(`ServiceRequest?subject=Patient/${ada}`)).toEqual(['order']);
    expect(await find(`Patient?_id=${ada},${idOf('bob')}`)).toEqual(['ada', 'bob']);
  });

  it('take their criteria from a form too, so that none stands in a URL', async () => {
    const answer = await gateway.send('POST', '/Patient/_search', 'identifier=urn:oid:1.2|A-1', {
      'content-type': 'application/x-www-form-urlencoded',
    });
    expect(named(answer.body as Bundle)).toEqual(['ada']);
  });
});

describe('pages', () => {
  it('lead through all matches once, and the client follows them', async () => {
    const names = Array.from({ length: 25 }, (_, n) => `page-${n}`);
    for (const name of names)
      await store(name, {
        resourceType: 'Basic',
        code: { text: name },
        identifier: [{ system: 'urn:pages', value: name }],
      });
    const first = (await gateway.send('GET', '/Basic?_count=10&_sort=-_lastUpdated')).body as Bundle;
    expect([first.entry?.length, first.total]).toEqual([10, 25]);
    expect(ids.get(first.entry?.[0]?.resource?.id ?? '')).toBe('page-24');
    const all = await client.searchAll<Resource & { resourceType: 'Basic' }>('Basic', {
      _count: '10',
      _sort: '_lastUpdated',
    });
    expect(all.map(({ id }) => ids.get(id))).toEqual(names);
    await expect(client.searchAll('Basic', { _count: '10' }, 12)).rejects.toThrow(RangeError);
    const count = (await gateway.send('GET', '/Basic?_summary=count')).body as Bundle;
    expect([count.total, count.entry]).toEqual([25, undefined]);
  });
});

describe('CapabilityStatement', () => {
  it('promises only search parameters that work, for every type of R4', async () => {
    const statement = await client.capabilities();
    const resources = statement.rest?.[0]?.resource ?? [];
    expect(resources.length).toBe(146);
    for (const { type = '', searchParam = [] } of resources) {
      const query = searchParam.map(({ name, type: kind }) => `${name}=${kind === 'date' ? '2024' : 'x'}`);
      for (let start = 0; start < query.length; start += 20) {
        const answer = await gateway.send('GET', `/${type}?_total=none&${query.slice(start, start + 20).join('&')}`);
        expect([type, answer.status]).toEqual([type, 200]);
      }
    }
    expect((statement satisfies CapabilityStatement).fhirVersion).toBe('4.0.1');
  });
});

describe('FhirClient against the gateway', () => {
  it('creates once, locks optimistically, sends large bodies and tells errors apart', async () => {
    const patient: Patient = {
      resourceType: 'Patient',
      identifier: [{ system: 'urn:client', value: '1' }],
      text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${'x'.repeat(1_000_000)}</div>` },
    };
    const criteria = { identifier: 'urn:client|1' };
    const first = await client.create(patient, { ifNoneExist: criteria });
    const second = await client.create(patient, { ifNoneExist: criteria });
    expect([first.created, second.created, second.resource.id]).toEqual([true, false, first.resource.id]);
    const updated = await client.update({ ...first.resource, gender: 'male' as const }, { versionId: '1' });
    expect(updated.meta?.versionId).toBe('2');
    await expect(client.update(first.resource, { versionId: '1' })).rejects.toMatchObject({
      kind: 'conflict',
      status: 412,
    });
    const conditional = await client.conditionalUpdate({ ...patient, gender: 'other' as const }, criteria);
    expect([conditional.id, conditional.meta?.versionId]).toEqual([first.resource.id, '3']);
    await client.delete('Patient', first.resource.id);
    expect(await client.readIfPresent('Patient', first.resource.id)).toBeUndefined();
    const refused = await client
      .create({ resourceType: 'Patient', gender: 'M' } as unknown as Patient)
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(FhirRequestError);
    expect(refused).toMatchObject({
      kind: 'invalid',
      status: 422,
      issueCodes: ['code-invalid'],
      expressions: ['Patient.gender'],
    });
  });
});
