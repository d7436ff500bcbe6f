import { CallosumError, type ErrorKind } from '@callosum/kernel';
import { describe, expect, it } from 'vitest';

import { BadRequestError, TooLargeError } from './errors/door.js';
import {
  StoreMemoryTakenError,
  UnsupportedSopClassError,
  UnsupportedTransferSyntaxError,
  UnusableMetadataError,
} from './errors/store.js';
import { failureReasonOf, failureReasons, type StoredReference, storeResponse } from './store-response.js';

const base = 'https://here/dicom-web';
const reference = (
  sopInstanceUid: string,
  status: StoredReference['status'] = 'stored',
  studyInstanceUid = '1.2',
): StoredReference => ({
  sopClassUid: '1.2.840.10008.5.1.4.1.1.2',
  sopInstanceUid,
  studyInstanceUid,
  seriesInstanceUid: '1.3',
  status,
});

describe('storeResponse', () => {
  it('is 200 when all are stored, and says where each is', () => {
    const { status, dataset } = storeResponse(
      [{ stored: reference('1.4') }, { stored: reference('1.5', 'duplicate') }],
      base,
    );
    expect(status).toBe(200);
    expect(dataset['00081190']).toEqual({ vr: 'UR', Value: [`${base}/studies/1.2`] });
    expect(dataset['00081199']?.Value).toMatchObject([
      {
        '00081150': { Value: ['1.2.840.10008.5.1.4.1.1.2'] },
        '00081155': { Value: ['1.4'] },
        '00081190': { Value: [`${base}/studies/1.2/series/1.3/instances/1.4`] },
      },
      { '00081155': { Value: ['1.5'] } },
    ]);
    expect(dataset['0008119A']).toBeUndefined();
  });

  it('names no study when the objects are of several, or none is kept', () => {
    const { dataset } = storeResponse(
      [{ stored: reference('1.4') }, { stored: reference('1.5', 'stored', '1.9') }],
      base,
    );
    expect(dataset['00081190']).toEqual({ vr: 'UR' });
    const failed = [{ failureReason: failureReasons.cannotUnderstand }];
    expect(storeResponse(failed, base).dataset['00081190']).toEqual({ vr: 'UR' });
  });

  it('is 202 when some failed, with their reasons', () => {
    const { status, dataset } = storeResponse(
      [{ stored: reference('1.4') }, { failureReason: failureReasons.cannotUnderstand }],
      base,
    );
    expect(status).toBe(202);
    expect(dataset['0008119A']).toEqual({ vr: 'SQ', Value: [{ '00081197': { vr: 'US', Value: [0xc000] } }] });
  });

  it('names the SOP Instances that failed where they can be named, and only there', () => {
    const failed = { sopClassUid: '1.2.840.10008.5.1.4.1.1.2', sopInstanceUid: '1.6' };
    const { status, dataset } = storeResponse(
      [
        { failureReason: failureReasons.doesNotMatchSopClass, failed },
        { failureReason: failureReasons.cannotUnderstand },
      ],
      base,
    );
    expect(status).toBe(409);
    expect(dataset['00081198']).toEqual({
      vr: 'SQ',
      Value: [
        {
          '00081150': { vr: 'UI', Value: [failed.sopClassUid] },
          '00081155': { vr: 'UI', Value: ['1.6'] },
          '00081197': { vr: 'US', Value: [0xa900] },
        },
      ],
    });
    expect(dataset['0008119A']).toEqual({ vr: 'SQ', Value: [{ '00081197': { vr: 'US', Value: [0xc000] } }] });
  });

  it.each([
    ['conflicting-pixels', 0xb0c0],
    ['conflicting-study', 0xb0c1],
  ] as const)('is 202 for %s under a known UID, with a warning that claims nothing else', (conflict, reason) => {
    const { status, dataset } = storeResponse([{ stored: reference('1.4', conflict) }], base);
    expect(status).toBe(202);
    expect(dataset['00081199']?.Value).toMatchObject([{ '00081196': { vr: 'US', Value: [reason] } }]);
  });

  it.each(['conflicting-pixels', 'conflicting-study'] as const)(
    'gives no URL to retrieve %s by: there is the first of its UID, or nothing',
    (conflict) => {
      const kept = { stored: reference('1.4', conflict, '1.9') };
      const alone = storeResponse([kept], base).dataset;
      expect(alone['00081190']).toEqual({ vr: 'UR' });
      expect(alone['00081199']?.Value).toMatchObject([{ '00081155': { Value: ['1.4'] }, '00081190': { vr: 'UR' } }]);
      expect(JSON.stringify(alone)).not.toContain(base);
      const beside = storeResponse([kept, { stored: reference('1.5') }], base).dataset;
      expect(beside['00081190']).toEqual({ vr: 'UR', Value: [`${base}/studies/1.2`] });
      expect(JSON.stringify(beside)).not.toContain('studies/1.9');
    },
  );

  it('is 200 without a warning for a correction', () => {
    expect(storeResponse([{ stored: reference('1.4', 'correction') }], base).status).toBe(200);
  });

  it('is 409 when none is stored, 503 when the archive could not store any', () => {
    const [full, broken] = [
      { failureReason: failureReasons.outOfResources },
      { failureReason: failureReasons.cannotUnderstand },
    ];
    expect(storeResponse([broken], base).status).toBe(409);
    expect(storeResponse([full, broken], base).status).toBe(409);
    expect(storeResponse([full, full], base).status).toBe(503);
  });
});

describe('failureReasonOf', () => {
  const error = (kind: ErrorKind, code: string): CallosumError => new (class extends CallosumError {})(code, kind, 'x');

  it.each([
    [error('unavailable', 'archive.any'), 0xa700],
    [new StoreMemoryTakenError(), 0xa700],
    [new TooLargeError('x'), 0xa700],
    [error('invalid', 'archive.uid-mismatch'), 0xa900],
    [error('invalid', 'dicom.parse'), 0xc000],
    [new BadRequestError('x'), 0xc000],
    [new UnusableMetadataError('x'), 0xc000],
    [new UnsupportedTransferSyntaxError('1.2'), 0xc122],
    [new UnsupportedSopClassError(), 0x0122],
    [error('internal', 'dicom.any'), 0x0110],
    [new TypeError('x'), 0x0110],
  ])('%s', (thrown, reason) => {
    expect(failureReasonOf(thrown)).toBe(reason);
  });
});
