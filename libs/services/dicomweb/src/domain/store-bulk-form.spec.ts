import { describe, expect, it } from 'vitest';

import { UnsupportedTransferSyntaxError, UnusableMetadataError } from './errors/store.js';
import { bulkFormOf, documentPath, normalUri, pixelDataPath } from './store-bulk-form.js';

const octets = 'application/octet-stream';
const syntax = (last: string): string => `1.2.840.10008.1.2.${last}`;

describe('bulkFormOf', () => {
  it.each([
    [undefined, pixelDataPath],
    [octets, pixelDataPath],
    [`${octets}; transfer-syntax=${syntax('1')}`, pixelDataPath],
    [octets, '54000100/0/54001010'],
    [`${octets}; transfer-syntax=${syntax('1')}`, '54000100/0/54001010'],
    ['Application/PDF', documentPath],
    [octets, documentPath],
  ])('%s of %s is the value itself', (type, path) => {
    expect(bulkFormOf(type, path, 'application/pdf ')).toEqual({ kind: 'octets' });
  });

  it.each([
    ['image/jpeg', ['4.70', '4.50', '4.51', '4.57']],
    ['image/jls', ['4.80', '4.81']],
    ['image/x-jls', ['4.80', '4.81']],
    ['image/jp2', ['4.90', '4.91']],
    ['image/jphc', ['4.201', '4.202', '4.203']],
    ['image/dicom-rle', ['5']],
    ['image/x-dicom-rle', ['5']],
    [`image/jpeg;transfer-syntax="${syntax('4.57')}"`, ['4.57']],
    [`${octets}; transfer-syntax=${syntax('4.90')}`, ['4.90']],
  ])('%s of Pixel Data is a frame', (type, lasts) => {
    expect(bulkFormOf(type, pixelDataPath)).toEqual({ kind: 'frame', syntaxes: lasts.map(syntax), isVideo: false });
  });

  it('a video is one', () => {
    for (const type of ['video/mp4', 'video/mpeg2', 'video/mpeg'])
      expect(bulkFormOf(type, pixelDataPath)).toMatchObject({ kind: 'frame', isVideo: true });
  });

  it.each([
    ['text/html', pixelDataPath, UnusableMetadataError],
    ['image/jpeg', '54000100/0/54001010', UnusableMetadataError],
    // An icon is no image of its own: its values stand as they are in the dataset.
    ['image/jpeg', '00880200/0/7FE00010', UnusableMetadataError],
    ['text/html', documentPath, UnusableMetadataError],
    [`image/jpeg; transfer-syntax=${syntax('4.80')}`, pixelDataPath, UnsupportedTransferSyntaxError],
    [`${octets}; transfer-syntax=${syntax('2')}`, pixelDataPath, UnsupportedTransferSyntaxError],
    [`${octets}; transfer-syntax=${syntax('')}`, pixelDataPath, UnsupportedTransferSyntaxError],
    [`${octets}; transfer-syntax=*`, pixelDataPath, UnsupportedTransferSyntaxError],
    [`${octets}; transfer-syntax=${syntax('4.90')}`, 'FFFCFFFC', UnsupportedTransferSyntaxError],
  ])('%s of %s is refused', (type, path, thrown) => {
    expect(() => bulkFormOf(type, path, 'application/pdf')).toThrow(thrown);
  });
});

describe('normalUri', () => {
  it.each([
    ['bulk/1', './bulk/1'],
    ['bulk/1', ' bulk/1 '],
    ['http://Here/a', 'http://here:80/a'],
    ['a/../bulk/1', 'bulk/1'],
    ['%61', '%61'],
  ])('%j and %j are one', (one, other) => {
    expect(normalUri(one)).toBe(normalUri(other));
  });

  it.each([
    ['bulk/1', 'bulk/2'],
    ['http://here/a', 'http://elsewhere/a'],
    ['cid:1', 'cid:2'],
    ['1', '/x/1'],
  ])('%j and %j are two', (one, other) => {
    expect(normalUri(one)).not.toBe(normalUri(other));
  });

  it('knows none that is too long', () => {
    expect(normalUri('x'.repeat(5_000))).toBeUndefined();
  });
});
