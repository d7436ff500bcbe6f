import { parseDataset } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { decodeFailedUids, encodeFailedUids } from './failed-uids.js';

const explicitLittleEndian = '1.2.840.10008.1.2.1';
const syntaxes = [
  ['Implicit VR', '1.2.840.10008.1.2'],
  ['Explicit VR', explicitLittleEndian],
  ['Explicit VR Big Endian', '1.2.840.10008.1.2.2'],
  ['deflated', '1.2.840.10008.1.2.1.99'],
] as const;
const uidsOf = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `1.2.826.0.1.3680043.10.1234.${i}.20261126`);

describe.each(syntaxes)('the UIDs of what failed, in %s', (_, syntax) => {
  it.each([1, 2, 5_000, 20_000])('are all there: %i', (count) => {
    const uids = uidsOf(count);
    const identifier = encodeFailedUids(uids, syntax);
    expect(decodeFailedUids(identifier, syntax)).toEqual(uids);
    // As somebody else reads it: UN of a public attribute has the dictionary's VR (PS3.5 6.2.2).
    const { dataset } = parseDataset(identifier, syntax);
    expect([dataset.size, dataset.strings('FailedSOPInstanceUIDList')]).toEqual([1, uids]);
  });
});

describe('a list that cannot be read', () => {
  it.each([0, 7, 8, 11])('is empty: cut off after %i bytes', (length) => {
    const long = encodeFailedUids(uidsOf(5_000), explicitLittleEndian);
    expect(decodeFailedUids(long.subarray(0, length), explicitLittleEndian)).toEqual([]);
  });
});
