import { storageSopClasses } from '@callosum/dicom';
import { describe, expect, it } from 'vitest';

import { python, runScript } from '../test-support/pynetdicom.js';
import { isStorageSopClass } from './index.js';

describe('the Storage SOP classes we name', () => {
  it('are taken, and none stands there twice', () => {
    expect(storageSopClasses.filter(({ uid }) => !isStorageSopClass(uid))).toEqual([]);
    expect(new Set(storageSopClasses.map(({ uid }) => uid)).size).toBe(storageSopClasses.length);
  });

  it.skipIf(python.missing !== undefined)('are all that pynetdicom knows', async () => {
    const known = (await runScript('pynetdicom_storage.py')) as string[];
    expect(known.length).toBeGreaterThan(150);
    const named = new Set(storageSopClasses.map(({ uid }) => uid));
    expect(known.filter((uid) => !named.has(uid)).sort()).toEqual([]);
    expect(known.filter((uid) => !isStorageSopClass(uid))).toEqual([]);
  });
});
