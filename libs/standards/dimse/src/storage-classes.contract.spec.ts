import { storageSopClasses } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { python, runScript } from '../test-support/pynetdicom.js';
import { isStorageSopClass } from './index.js';

/** Protocols and inventories are of no study: nothing could be done with them here. */
const ofNoStudy = ['200.1', '200.3', '200.7', '201.1'].map((end) => `1.2.840.10008.5.1.4.1.1.${end}`);

describe('the Storage SOP classes we name', () => {
  it('are taken, and none stands there twice', () => {
    expect(storageSopClasses.filter(({ uid }) => !isStorageSopClass(uid))).toEqual([]);
    expect(new Set(storageSopClasses.map(({ uid }) => uid)).size).toBe(storageSopClasses.length);
  });

  it.skipIf(python.missing !== undefined)('are all that pynetdicom knows, but those of no study', async () => {
    const known = (await runScript('pynetdicom_storage.py')) as string[];
    expect(known.length).toBeGreaterThan(150);
    const named = new Set(storageSopClasses.map(({ uid }) => uid));
    expect(known.filter((uid) => !named.has(uid)).sort()).toEqual(ofNoStudy);
    expect(known.filter((uid) => !isStorageSopClass(uid)).sort()).toEqual(ofNoStudy);
  });
});
