import { describe, expect, it } from 'vitest';

import { cutAtBulkDataUris } from './json-slots.js';

const cut = (json: string): string[] => cutAtBulkDataUris(json, '/dicom-web/');
const bulk = (uri: string) => ({ vr: 'OW', BulkDataURI: uri });

describe('text cut at its bulk data URIs', () => {
  it('gives absolute URIs when it is joined by a base, also inside sequences', () => {
    const dataset = {
      '00080018': { vr: 'UI', Value: ['1.2'] },
      '00880200': { vr: 'SQ', Value: [{ '7FE00010': bulk('/dicom-web/studies/1/bulkdata/00880200/0/7FE00010') }] },
      '7FE00010': bulk('/dicom-web/studies/1/bulkdata/7FE00010'),
    };
    for (const text of [JSON.stringify(dataset), JSON.stringify(dataset).replaceAll('":', '": ')]) {
      const parts = cut(text);
      expect(parts).toHaveLength(3);
      expect(parts.join('')).toBe(text);
      const joined = JSON.parse(parts.join('https://pacs.example/x')) as typeof dataset;
      expect(joined['7FE00010'].BulkDataURI).toBe('https://pacs.example/x/dicom-web/studies/1/bulkdata/7FE00010');
      expect(joined['00880200'].Value[0]?.['7FE00010'].BulkDataURI).toMatch(
        /^https:\/\/pacs\.example\/x\/dicom-web\/.*\/0\/7FE00010$/,
      );
    }
  });

  it('is whole where there are none, and where they lead elsewhere', () => {
    for (const dataset of [{}, { '7FE00010': bulk('https://elsewhere.example/dicom-web/x') }, { '7FE00010': bulk('') }])
      expect(cut(JSON.stringify(dataset))).toEqual([JSON.stringify(dataset)]);
  });

  it.each([
    '"BulkDataURI":"/dicom-web/',
    'x","BulkDataURI":"/dicom-web/studies/1',
    '\\"BulkDataURI":"/dicom-web/',
    'BulkDataURI',
  ])('is not cut in a value that says %j', (value) => {
    const text = JSON.stringify({ '00081030': { vr: 'LO', Value: [value] } });
    expect(cut(text)).toEqual([text]);
  });
});
