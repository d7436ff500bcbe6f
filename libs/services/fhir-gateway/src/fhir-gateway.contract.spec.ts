import type { Bundle, OperationOutcome, Patient, Resource } from '@callosum/fhir';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { type Answer, startGateway, type TestGateway } from './gateway-for-tests.js';

let postgres: TestPostgres;
let gateway: TestGateway;
beforeAll(async () => {
  postgres = await startPostgres();
  gateway = await startGateway(await postgres.createDatabase());
});
afterAll(async () => {
  await gateway?.stop();
  await postgres?.stop();
});

const json = 'application/fhir+json';
const send: TestGateway['send'] = (...parameters) => gateway.send(...parameters);
const issueCode = (answer: Answer): string | undefined => (answer.body as OperationOutcome).issue?.[0]?.code;
const patient = (value: string, more: Partial<Patient> = {}): Patient => ({
  resourceType: 'Patient',
  identifier: [{ system: 'urn:oid:1.2.3', value }],
  ...more,
});
const found = (bundle: Bundle): (string | undefined)[] => (bundle.entry ?? []).map(({ resource }) => resource?.id);
const search = (path: string): Promise<Bundle> => send('GET', path).then(({ body }) => body as Bundle);

describe('one resource', () => {
  it('is created with an id of ours, read, updated, versioned, deleted and its history told', async () => {
    const created = await send('POST', '/Patient', { ...patient('life-1', { gender: 'female' }), id: 'mine' });
    const { id = '' } = created.body as Patient;
    expect(created.status).toBe(201);
    expect(id).not.toBe('mine');
    expect(created.headers.get('location')).toBe(`${gateway.base}/Patient/${id}/_history/1`);
    expect(created.headers.get('etag')).toBe('W/"1"');
    expect(created.headers.get('content-type')).toContain(json);

    const read = await send('GET', `/Patient/${id}`);
    expect(read.body).toEqual(created.body);
    expect(Date.parse(read.headers.get('last-modified') ?? '')).toBeGreaterThan(0);
    expect((await send('GET', `/Patient/${id}`, undefined, { 'if-none-match': 'W/"1"' })).status).toBe(304);

    const updated = await send(
      'PUT',
      `/Patient/${id}`,
      { ...patient('life-1', { gender: 'other' }), id },
      { 'if-match': 'W/"1"' },
    );
    expect(updated.status).toBe(200);
    expect((updated.body as Patient).meta?.versionId).toBe('2');
    const stale = await send('PUT', `/Patient/${id}`, { ...patient('life-1'), id }, { 'if-match': 'W/"1"' });
    expect([stale.status, issueCode(stale)]).toEqual([412, 'conflict']);
    expect(((await send('GET', `/Patient/${id}/_history/1`)).body as Patient).gender).toBe('female');

    expect((await send('DELETE', `/Patient/${id}`)).status).toBe(204);
    expect((await send('DELETE', `/Patient/${id}`)).status).toBe(204);
    expect((await send('GET', `/Patient/${id}`)).status).toBe(410);
    expect(found(await search('/Patient?identifier=life-1'))).toEqual([]);
    const history = (await send('GET', `/Patient/${id}/_history`)).body as Bundle;
    expect(history.entry?.map(({ request }) => request?.method)).toEqual(['DELETE', 'PUT', 'POST']);
    expect(history.total).toBe(3);

    const back = await send('PUT', `/Patient/${id}`, { ...patient('life-1'), id });
    expect([back.status, (back.body as Patient).meta?.versionId]).toEqual([201, '4']);
  });

  it('is not overwritten by a PUT that asks for none to be there, once, by many at the same time', async () => {
    const put = (headers: Record<string, string>) =>
      send('PUT', '/Patient/if-none', { ...patient('if-none'), id: 'if-none' }, headers);
    const answers = await Promise.all(Array.from({ length: 8 }, () => put({ 'if-none-match': '*' })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 412, 412, 412, 412, 412, 412, 412]);
    expect((await put({ 'if-none-match': 'W/"1"' })).status).toBe(412);
    expect((await put({ 'if-none-match': 'W/"7", W/"8"' })).status).toBe(200);
    await send('DELETE', '/Patient/if-none');
    expect((await put({ 'if-none-match': '*' })).status).toBe(201);
  });

  it('tells how long its history is without any of it, and leads nowhere then', async () => {
    const { id = '' } = (await send('POST', '/Patient', patient('life-0'))).body as Patient;
    await send('PUT', `/Patient/${id}`, { ...patient('life-0', { gender: 'other' }), id });
    const history = (await send('GET', `/Patient/${id}/_history?_count=0`)).body as Bundle;
    expect([history.total, history.entry, history.link]).toEqual([2, undefined, undefined]);
    const page = (await send('GET', `/Patient/${id}/_history?_count=1`)).body as Bundle;
    expect(page.link?.map(({ relation }) => relation)).toEqual(['next']);
  });

  it('is created by PUT under an id of the caller, once, by many at the same time', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        send('PUT', '/Patient/same-id', { ...patient('same-id', { multipleBirthInteger: n }), id: 'same-id' }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 200, 200, 200, 201]);
    expect(((await send('GET', '/Patient/same-id')).body as Patient).meta?.versionId).toBe('8');
  });

  it('answers as short as Prefer asks', async () => {
    const minimal = await send('POST', '/Patient', patient('prefer-1'), { prefer: 'return=minimal' });
    expect([minimal.status, minimal.body]).toEqual([201, undefined]);
    expect(minimal.headers.get('location')).toContain('/_history/1');
    const outcome = await send('POST', '/Patient', patient('prefer-2'), { prefer: 'return=OperationOutcome' });
    expect((outcome.body as Resource).resourceType).toBe('OperationOutcome');
  });
});

describe('errors are OperationOutcomes with the status R4 gives them', () => {
  const cases: readonly (readonly [string, number, string, () => Promise<Answer>])[] = [
    ['an unknown id', 404, 'not-found', () => send('GET', '/Patient/nobody')],
    ['an unknown type', 404, 'not-supported', () => send('GET', '/Quux/1')],
    ['an abstract type', 404, 'not-supported', () => send('GET', '/DomainResource/1')],
    ['a URL that cannot be decoded', 400, 'invalid', () => send('GET', '/Patient/%zz')],
    ['an unknown path', 404, 'not-found', () => send('GET', '/Patient/1/2/3/4')],
    ['a method the path does not offer', 405, 'not-supported', () => send('PATCH', '/Patient/1', {})],
    ['no JSON', 400, 'structure', () => send('POST', '/Patient', '{"resourceType":')],
    [
      'bytes that are no UTF-8',
      400,
      'structure',
      () => send('POST', '/Patient', Buffer.from('{"resourceType":"\xff"}', 'latin1')),
    ],
    ['JSON that is no object', 400, 'structure', () => send('POST', '/Patient', '[]')],
    ['another type than the URL', 400, 'invalid', () => send('POST', '/Patient', { resourceType: 'Device' })],
    ['another id than the URL', 400, 'invalid', () => send('PUT', '/Patient/a', { ...patient('x'), id: 'b' })],
    [
      'XML',
      415,
      'not-supported',
      () => send('POST', '/Patient', '<Patient/>', { 'content-type': 'application/fhir+xml' }),
    ],
    [
      'a caller that takes only XML',
      406,
      'not-supported',
      () => send('GET', '/Patient', undefined, { accept: 'application/fhir+xml' }),
    ],
    [
      'another FHIR version',
      415,
      'not-supported',
      () => send('POST', '/Patient', patient('x'), { 'content-type': `${json}; fhirVersion=3.0` }),
    ],
    ['an unknown element', 422, 'structure', () => send('POST', '/Patient', { ...patient('x'), shoeSize: 42 })],
    [
      'a code outside a required value set',
      422,
      'code-invalid',
      () => send('POST', '/Patient', { ...patient('x'), gender: 'M' }),
    ],
    [
      'a missing required element',
      422,
      'structure',
      () => send('POST', '/Observation', { resourceType: 'Observation', status: 'final' }),
    ],
    ['an unknown search parameter', 400, 'not-supported', () => send('GET', '/Patient?shoe-size=42')],
    ['a date that is none', 400, 'invalid', () => send('GET', '/Patient?birthdate=yesterday')],
    [
      'an If-Match that is no ETag',
      400,
      'invalid',
      () => send('PUT', '/Patient/same-id', { ...patient('x'), id: 'same-id' }, { 'if-match': '1' }),
    ],
    [
      'a condition without criteria',
      412,
      'required',
      () => send('POST', '/Patient', patient('x'), { 'if-none-exist': '_count=1' }),
    ],
    [
      'a Bundle that is no batch',
      400,
      'invalid',
      () => send('POST', '/', { resourceType: 'Bundle', type: 'collection' }),
    ],
  ];
  it.each(cases)('%s: %i %s', async (_name, status, code, act) => {
    const answer = await act();
    expect([answer.status, issueCode(answer)]).toEqual([status, code]);
    expect(answer.headers.get('content-type')).toContain(json);
  });
});

describe('hostile input', () => {
  it('refuses nesting that would exhaust the stack', async () => {
    const depth = 200_000;
    const answer = await send(
      'POST',
      '/Patient',
      `{"resourceType":"Patient","extension":${'['.repeat(depth)}${']'.repeat(depth)}}`,
    );
    expect([answer.status, issueCode(answer)]).toEqual([400, 'too-long']);
  });

  it.each(['__proto__', 'constructor', 'toString', 'a b', '$'])('refuses the element name %s', async (name) => {
    const answer = await send('POST', '/Patient', `{"resourceType":"Patient","${name}":{"polluted":true}}`);
    expect(answer.status).toBe(400);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it('refuses NUL characters, which PostgreSQL cannot store', async () => {
    expect((await send('POST', '/Patient', patient('a\u0000b'))).status).toBe(400);
  });

  it('takes any other text as text, in values and in searches', async () => {
    const value = `'; drop table resource; -- %_\\ "😀 ${'x'.repeat(5_000)}`;
    expect((await send('POST', '/Patient', patient(value, { name: [{ family: '100%_\\' }] }))).status).toBe(201);
    const token = encodeURIComponent(value.replace(/[\\,|$]/g, '\\$&'));
    expect(found(await search(`/Patient?identifier=${token}`))).toHaveLength(1);
    expect(found(await search(`/Patient?name=${encodeURIComponent('100%_')}`))).toHaveLength(1);
    expect(found(await search(`/Patient?name=${encodeURIComponent('100__')}`))).toHaveLength(0);
  });

  it('refuses a body and a Bundle beyond the limits, and goes on', async () => {
    const large = await send(
      'POST',
      '/Patient',
      `{"resourceType":"Patient","text":"${'x'.repeat(33 * 1024 * 1024)}"}`,
    ).catch(() => undefined);
    // A client that is still sending may see the closed connection instead of the answer.
    if (large) expect([large.status, issueCode(large)]).toEqual([413, 'too-long']);
    const entry = Array.from({ length: 5_001 }, () => ({ request: { method: 'GET', url: 'Patient/x' } }));
    const many = await send('POST', '/', { resourceType: 'Bundle', type: 'batch', entry });
    expect([many.status, issueCode(many)]).toEqual([413, 'too-costly']);
    expect((await send('GET', '/metadata')).status).toBe(200);
  });

  it('never logs what a query or a resource says', async () => {
    await send('GET', '/Patient?name=Verysecretname');
    await send('POST', '/Patient', { ...patient('verysecretid'), gender: 'verysecretcode' });
    await send('GET', '/Patient?verysecretparameter=1');
    const lines = gateway.logged.join('');
    expect(lines).toContain('fhir.refused');
    expect(lines).not.toMatch(/verysecret/i);
  });
});
