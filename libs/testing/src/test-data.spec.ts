import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, expect, it, vi } from 'vitest';

import { MissingPrerequisite, testDataPath } from './index.js';

const folder = mkdtempSync(join(tmpdir(), 'callosum-test-data-'));
mkdirSync(join(folder, 'studies'));
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

it('says once what test data is missing and how to get it, and in CI fails', () => {
  vi.stubEnv('CALLOSUM_TEST_DATA', folder);
  vi.stubEnv('CI', '');
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  expect(testDataPath('studies')).toBe(join(folder, 'studies'));
  expect(said).not.toHaveBeenCalled();
  for (let time = 0; time < 2; time++) expect(testDataPath('studies', 'none')).toBeUndefined();
  expect(said.mock.calls).toEqual([[expect.stringMatching(/^SKIPPED: .*studies\/none.*CALLOSUM_TEST_DATA/) as string]]);
  vi.stubEnv('CI', 'true');
  expect(() => testDataPath('studies', 'none')).toThrow(MissingPrerequisite);
  expect(testDataPath('studies')).toBe(join(folder, 'studies'));
});
