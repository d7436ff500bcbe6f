import { describe, expect, it } from 'vitest';

import {
  identifierToken,
  parseReference,
  referenceTo,
  resolvedReferences,
  searchQuery,
  TransactionBuilder,
} from './index.js';

describe('references', () => {
  it.each([
    ['Patient/1', { resourceType: 'Patient', id: '1' }],
    [
      'https://ehr.example/r4/Patient/a-1.b/_history/3',
      { base: 'https://ehr.example/r4', resourceType: 'Patient', id: 'a-1.b', versionId: '3' },
    ],
    ['urn:uuid:0', undefined],
    ['#contained', undefined],
    ['Patient?identifier=1', undefined],
    ['Patient/', undefined],
    ['patient/1', undefined],
    [`Patient/${'a'.repeat(65)}`, undefined],
    [undefined, undefined],
  ])('%s', (text, expected) => expect(parseReference(text)).toEqual(expected));

  it('need an id', () => {
    expect(() => referenceTo({ resourceType: 'Patient' })).toThrow(TypeError);
  });
});

describe('search values', () => {
  it('are escaped as search syntax, then as URL', () => {
    expect(identifierToken({ system: 'urn:x', value: 'a|b,c' })).toBe('urn:x|a\\|b\\,c');
    expect(identifierToken({ value: '1' })).toBe('|1');
    expect(searchQuery({ identifier: 'urn:x|1&2', status: ['final', 'amended'] })).toBe(
      'identifier=urn%3Ax%7C1%262&status=final%2Camended',
    );
  });
});

describe('TransactionBuilder', () => {
  it('gives references that the response resolves', () => {
    const builder = new TransactionBuilder();
    const patient = builder.create({ resourceType: 'Patient' }, { ifNoneExist: { identifier: 'a|b' } });
    const report = builder.update(
      { resourceType: 'DiagnosticReport', id: 'r', status: 'final', code: {} },
      { versionId: '2' },
    );
    builder.delete('Task', 't');
    const request = builder.build();
    expect(patient.reference).toMatch(/^urn:uuid:[0-9a-f-]{36}$/);
    expect(request.entry?.map((entry) => entry.request)).toEqual([
      { method: 'POST', url: 'Patient', ifNoneExist: 'identifier=a%7Cb' },
      { method: 'PUT', url: 'DiagnosticReport/r', ifMatch: 'W/"2"' },
      { method: 'DELETE', url: 'Task/t' },
    ]);
    const resolved = resolvedReferences(request, {
      resourceType: 'Bundle',
      type: 'transaction-response',
      entry: [
        { response: { status: '201', location: 'Patient/7/_history/1' } },
        { response: { status: '200', location: 'http://s/fhir/DiagnosticReport/r/_history/3' } },
        { response: { status: '204' } },
      ],
    });
    expect(resolved.get(patient.reference)).toBe('Patient/7');
    expect(resolved.get(report.reference)).toBe('DiagnosticReport/r');
  });

  it('refuses to be empty', () => {
    expect(() => new TransactionBuilder().build()).toThrow(TypeError);
  });
});
