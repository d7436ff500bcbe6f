import { tinyCt, tinySeries } from '@callosum/phantom';
import { expect } from 'vitest';

import type { Callosum } from './callosum.js';
import { type Holdings, holdingsOf } from './stow.js';

/** What must not be said anywhere. */
export const hostileName = 'HOSTILE^MARKER';

/** An object of a study of its own, of a patient of that name. */
export function hostileObject(salt: string): ReturnType<typeof tinyCt> {
  const [object] = tinySeries({ slices: 1, salt, overrides: { PatientName: hostileName } });
  if (!object) throw new Error('no object');
  return object;
}

/** Once what was being written has its name, or is gone: that is a moment after the answer. */
export async function settledHoldings(system: Callosum): Promise<Holdings> {
  await expect.poll(async () => (await holdingsOf(system)).staged, { timeout: 10_000 }).toBe(0);
  return holdingsOf(system);
}

export async function expectHoldings(system: Callosum, holdings: Holdings): Promise<void> {
  await expect.poll(() => holdingsOf(system), { timeout: 10_000 }).toEqual(holdings);
}

/** Nothing of patients is in the log, and nothing failed but what was told to come again. */
export function expectNothingSaid(system: Callosum): void {
  expect(system.logs()).not.toContain(hostileName.split('^')[0]);
  const failed = system
    .logs()
    .split('\n')
    .filter((line) => line.includes('dicomweb.failed'));
  expect(failed.filter((line) => !line.includes('dicomweb.too-many-stores'))).toEqual([]);
}
