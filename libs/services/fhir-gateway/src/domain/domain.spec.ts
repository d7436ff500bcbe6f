import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { timestampText } from '../adapters/postgres/timestamp.js';
import { rewriteLinks } from './bundle-references.js';
import { FhirError } from './fhir-error.js';
import { parseJson } from './json.js';
import { limits } from './limits.js';
import { parseCriteria, type ParseContext } from './parse-criteria.js';
import { dateSpan, normaliseText } from './search-value.js';

const seed = 20260102;

describe('parseJson', () => {
  const nested = (depth: number): Buffer => Buffer.from(`{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`);

  it('takes the deepest nesting allowed and not one level more', () => {
    expect(() => parseJson(nested(limits.jsonDepthMax))).not.toThrow();
    expect(() => parseJson(nested(limits.jsonDepthMax + 1))).toThrow(FhirError);
  });

  it('counts no brackets inside strings', () => {
    const text = '[{"'.repeat(200);
    expect(parseJson(Buffer.from(JSON.stringify({ text, end: '\\' })))).toEqual({ text, end: '\\' });
  });

  it('gives back what was written, or a FhirError, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          parseJson(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(FhirError);
        }
      }),
      { seed },
    );
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{5,10}$/), fc.jsonValue({ maxDepth: 0 })), (value) => {
        fc.pre(!JSON.stringify(value).includes('\\u0000'));
        expect(parseJson(Buffer.from(JSON.stringify(value)))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
      { seed },
    );
  });
});

describe('dateSpan', () => {
  it.each([
    ['2024', '2024-01-01T00:00:00Z', '2025-01-01T00:00:00Z'],
    ['2024-02', '2024-02-01T00:00:00Z', '2024-03-01T00:00:00Z'],
    ['2024-12', '2024-12-01T00:00:00Z', '2025-01-01T00:00:00Z'],
    ['2024-02-29', '2024-02-29T00:00:00Z', '2024-03-01T00:00:00Z'],
    ['2024-02-29T10:30+02:00', '2024-02-29T08:30:00Z', '2024-02-29T08:31:00Z'],
    ['2024-02-29T10:30:15Z', '2024-02-29T10:30:15Z', '2024-02-29T10:30:16Z'],
    ['2024-02-29T10:30:15.123456Z', '2024-02-29T10:30:15.123Z', '2024-02-29T10:30:15.124Z'],
  ])('%s', (text, from, to) => expect(dateSpan(text)).toEqual({ from: Date.parse(from), to: Date.parse(to) }));
  it.each(['', 'yesterday', '2024-13', '2024-1', '20240229', '2024-02-29T10'])('%s is none', (text) =>
    expect(dateSpan(text)).toBeUndefined(),
  );
});

describe('timestampText', () => {
  it.each([
    ['2024-02-29T10:30:15.123Z', '2024-02-29T10:30:15.123Z'],
    ['0001-01-01T00:00:00.000Z', '0001-01-01T00:00:00.000Z'],
    ['0000-06-01T00:00:00.000Z', '0001-06-01T00:00:00.000Z BC'],
    ['-000001-12-31T23:00:00.000Z', '0002-12-31T23:00:00.000Z BC'],
    ['+010000-01-01T00:00:00.000Z', '10000-01-01T00:00:00.000Z'],
  ])('%s', (iso, expected) => expect(timestampText(Date.parse(iso))).toBe(expected));
});

describe('normaliseText', () => {
  it('folds case, accents and spaces, and changes nothing twice', () => {
    expect(normaliseText('  Löwen  STEIN ')).toBe('lowen stein');
    const text = fc.string({ unit: 'grapheme' });
    fc.assert(
      fc.property(text, (one) => {
        expect(normaliseText(normaliseText(one))).toBe(normaliseText(one));
      }),
      { seed },
    );
  });
});

describe('parseCriteria', () => {
  const definition = (code: string, kind: 'token' | 'reference' | 'date') =>
    [code, { code, kind, targets: ['Patient', 'Group'], documentation: '', url: '' }] as const;
  const context: ParseContext = {
    parameters: () =>
      new Map([definition('identifier', 'token'), definition('subject', 'reference'), definition('date', 'date')]),
    bases: ['http://here/fhir'],
  };
  const filters = (query: string) => parseCriteria('Observation', new URLSearchParams(query), context).filters;

  it('reads tokens with their escapes', () => {
    expect(filters('identifier=a%7Cb')).toEqual([
      { kind: 'token', param: 'identifier', not: false, values: [{ system: 'a', code: 'b' }] },
    ]);
    expect(filters('identifier=a\\|b,|c,d|')).toMatchObject([
      { values: [{ code: 'a|b' }, { system: '', code: 'c' }, { system: 'd' }] },
    ]);
  });

  it('reads references in every form', () => {
    const forms = (value: string) => filters(`subject=${value}`)[0];
    expect(forms('1')).toMatchObject({ values: ['Patient/1', 'Group/1'] });
    expect(forms('http://here/fhir/Patient/1')).toMatchObject({ values: ['Patient/1'] });
    expect(forms('http://there/fhir/Patient/1')).toMatchObject({ values: ['http://there/fhir/Patient/1'] });
    expect(filters('subject:Patient=1')).toMatchObject([{ values: ['Patient/1'] }]);
  });

  it('refuses what it does not know, and never repeats values', () => {
    for (const query of [
      'secret=1',
      'subject.name=secret',
      'identifier:above=secret',
      '_sort=secret',
      '_count=secret',
      'date=secret',
      '_include=secret',
      '_has:secret=1',
    ]) {
      expect(() => filters(query)).toThrow(FhirError);
      if (query.startsWith('secret')) continue;
      try {
        filters(query);
      } catch (error) {
        expect(String(error)).not.toContain('secret');
      }
    }
    expect(() =>
      filters(Array.from({ length: limits.searchParametersMax + 1 }, () => 'identifier=1').join('&')),
    ).toThrow(FhirError);
    expect(() =>
      filters(`identifier=${Array.from({ length: limits.searchValuesMax + 1 }, () => 'x').join(',')}`),
    ).toThrow(FhirError);
  });
});

describe('rewriteLinks', () => {
  it('changes links and leaves names and the original alone', () => {
    const link = 'urn:uuid:00000000-0000-4000-8000-000000000001';
    const resource = {
      resourceType: 'Observation',
      subject: { reference: link, identifier: { value: link } },
      note: [{ text: link }],
    } as const;
    const before = JSON.stringify(resource);
    const after = rewriteLinks(resource as never, (one) =>
      one === link ? 'Patient/1' : undefined,
    ) as unknown as typeof resource;
    expect(after).toEqual({ ...resource, subject: { ...resource.subject, reference: 'Patient/1' } });
    expect(JSON.stringify(resource)).toBe(before);
  });
});
