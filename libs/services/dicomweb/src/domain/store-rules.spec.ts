import { describe, expect, it } from 'vitest';

import { UnsupportedSopClassError, UnsupportedTransferSyntaxError } from './errors/store.js';
import { assertStored } from './store-rules.js';

const explicit = '1.2.840.10008.1.2.1';
const ct = '1.2.840.10008.5.1.4.1.1.2';

describe('assertStored', () => {
  it.each([
    ['CT', ct, explicit],
    ['a SOP class of an edition to come', '1.2.840.10008.5.1.4.1.1.999', explicit],
    ['a private SOP class', '1.3.12.2.1107.5.9.1', explicit],
    ['Implicit VR', ct, '1.2.840.10008.1.2'],
    ['Big Endian', ct, '1.2.840.10008.1.2.2'],
    ['a compressed syntax of an edition to come', ct, '1.2.840.10008.1.2.4.999'],
  ])('takes %s', (_what, sopClassUid, transferSyntaxUid) => {
    expect(() => assertStored({ sopClassUid, transferSyntaxUid })).not.toThrow();
  });

  it.each([
    ['Verification', '1.2.840.10008.1.1'],
    ['a performed procedure step', '1.2.840.10008.3.1.2.3.3'],
    ['a protocol, which belongs to no study', '1.2.840.10008.5.1.4.1.1.200.1'],
    ['a directory', '1.2.840.10008.1.3.10'],
  ])('refuses %s', (_what, sopClassUid) => {
    expect(() => assertStored({ sopClassUid, transferSyntaxUid: explicit })).toThrow(UnsupportedSopClassError);
  });

  it.each([
    ['pixels that stay at their provider (JPIP)', '1.2.840.10008.1.2.4.94'],
    ['real-time video', '1.2.840.10008.1.2.7.1'],
    ['a private syntax', '1.2.840.113619.5.2'],
  ])('refuses %s', (_what, transferSyntaxUid) => {
    expect(() => assertStored({ sopClassUid: ct, transferSyntaxUid })).toThrow(UnsupportedTransferSyntaxError);
  });
});
