import { describe, expect, it } from 'vitest';

import { withRetrieveUrl } from './retrieve-url.js';

const url = 'https://pacs.example/dicom-web/studies/1.2';
const element = { vr: 'UR', Value: [url] };
const lo = (value: string) => ({ vr: 'LO', Value: [value] });

describe('a Retrieve URL in a dataset', () => {
  it.each<[string, Record<string, unknown>]>([
    ['between others', { '00080005': lo('ISO_IR 192'), '0020000D': lo('1.2') }],
    ['first', { '00100010': lo('x'), '00100020': lo('y') }],
    ['last', { '00080005': lo('x'), '00081030': lo('y') }],
    ['alone', {}],
    ['behind values that look like JSON', { '00081030': lo('a"},"99999999":{"b\\'), '00100010': lo('\\"}]') }],
    ['behind a sequence of what would come after it', { '00081110': { vr: 'SQ', Value: [{ '00400275': lo('{') }] } }],
  ])('stands in its place, %s', (_, dataset) => {
    for (const text of [JSON.stringify(dataset), JSON.stringify(dataset, null, 1)]) {
      const got = withRetrieveUrl(text, url);
      const parsed = JSON.parse(got) as Record<string, unknown>;
      expect(parsed).toEqual({ ...dataset, '00081190': element });
      expect(Object.keys(parsed)).toEqual(Object.keys(parsed).sort());
    }
  });

  it('changes nothing else of the text', () => {
    const text = '{"00080005": {"vr": "CS"}, "00101010": {"vr": "AS", "Value": ["\\u0041"]}}';
    expect(withRetrieveUrl(text, url)).toBe(
      `{"00080005": {"vr": "CS"}, "00081190":${JSON.stringify(element)},"00101010": {"vr": "AS", "Value": ["\\u0041"]}}`,
    );
  });

  it('takes the place of one that the object has, and leaves those of its items', () => {
    const item = { '00081190': { vr: 'UR', Value: ['http://elsewhere/'] } };
    const dataset = { ...item, '0020000D': lo('1.2'), '00400440': { vr: 'SQ', Value: [item] } };
    expect(JSON.parse(withRetrieveUrl(JSON.stringify(dataset), url))).toEqual({ ...dataset, '00081190': element });
  });
});
