import { constants, gunzipSync, inflateRawSync } from 'node:zlib';

import { gzipMember, inflated } from '@callosum/gzip';
import { describe, expect, it } from 'vitest';

import type { DicomJson } from './instance.js';
import { metadataText, piecesOf } from './metadata-text.js';

const lo = (value: string) => ({ vr: 'LO', Value: [value] });
const dataset: DicomJson = {
  '7FE00010': { vr: 'OW', BulkDataURI: '/dicom-web/studies/1/bulkdata/7FE00010' },
  '54000100': {
    vr: 'SQ',
    Value: [
      {
        '54001010': { vr: 'OW', BulkDataURI: '/dicom-web/studies/1/bulkdata/54000100/0/54001010' },
        '003A0010': lo('x'),
      },
      {},
    ],
  },
  '00080018': { vr: 'UI', Value: ['1.2'] },
  '00081110': { vr: 'SQ' },
  '00100010': { vr: 'PN', Value: [{ Alphabetic: 'M\0ü\ud800ller' }] },
};

/** Names of attributes as they stand in the text. */
const tagsIn = (text: string): string[] => [...text.matchAll(/"([0-9A-F]{8})":/g)].map(([, tag = '']) => tag);

describe('the text of metadata', () => {
  it('says the same, its attributes ascending at each level, also those of digits alone', () => {
    const text = metadataText(dataset);
    expect(JSON.parse(text)).toEqual({
      ...dataset,
      '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Mü\uFFFDller' }] },
    });
    expect(tagsIn(text)).toEqual(['00080018', '00081110', '00100010', '54000100', '003A0010', '54001010', '7FE00010']);
  });

  it('of nothing is an empty object', () => {
    expect(metadataText({})).toBe('{}');
  });

  it('in pieces is cut where bulk data URIs begin', () => {
    const texts = piecesOf(metadataText(dataset)).map(({ deflated, byteCount }) => {
      const bytes = inflateRawSync(deflated, { finishFlush: constants.Z_SYNC_FLUSH });
      expect(bytes.length).toBe(byteCount);
      return bytes.toString();
    });
    expect(texts).toHaveLength(3);
    expect(texts.join('')).toBe(metadataText(dataset));
    for (const text of texts.slice(0, -1)) expect(text.endsWith('"BulkDataURI":"')).toBe(true);
  });

  it('of an object with more bulk values than anybody needs is cut at each of them, and soon', async () => {
    const many: DicomJson = { '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Ö'.repeat(5_000) }] } };
    for (let n = 0x1000; n < 0x9000; n++) {
      const tag = `0009${n.toString(16).toUpperCase()}`;
      many[tag] = { vr: 'OB', BulkDataURI: `/dicom-web/studies/1/bulkdata/${tag}` };
    }
    const text = metadataText(many);
    const pieces = piecesOf(text);
    expect(pieces).toHaveLength(0x8000 + 1);
    const whole: Uint8Array[] = [];
    for await (const chunk of gzipMember([pieces])) whole.push(chunk);
    expect(gunzipSync(Buffer.concat(whole)).toString()).toBe(text);
    const plain: Uint8Array[] = [];
    for await (const chunk of inflated([pieces.slice(0, 300)])) plain.push(chunk);
    expect(text.startsWith(Buffer.concat(plain).toString())).toBe(true);
    // The long one is deflated; each of the others would take longer than it is worth.
    expect(pieces.at(-1)?.deflated.length).toBeLessThan(1_000);
    expect(pieces.slice(0, -1).every(({ deflated, byteCount }) => deflated.length === byteCount + 5)).toBe(true);
  });
});
