import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import type { Resource } from '@callosum/fhir';
import { MissingPrerequisite, orSkip, repositoryRoot } from '@callosum/testing';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const java = await orSkip(() =>
  run('java', ['-version']).catch((cause: unknown) =>
    Promise.reject(
      new MissingPrerequisite('Java is not installed', 'apt-get install openjdk-17-jdk-headless maven', { cause }),
    ),
  ),
);

/** One of those that differ in ids and times only: validating takes half a second each. */
function distinct(written: readonly Resource[]): Resource[] {
  const volatile = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|"(lastUpdated|versionId)":"[^"]*"/g;
  return [...new Map(written.map((resource) => [JSON.stringify(resource).replace(volatile, ''), resource])).values()];
}

/** To be called last in a file: it looks at what the tests before it wrote. */
export function passesTheValidator(written: readonly Resource[], types: readonly string[]): void {
  it.skipIf(java.missing !== undefined)(
    'passes the HAPI FHIR R4 validator',
    async () => {
      expect([...new Set(written.map(({ resourceType }) => resourceType))].sort()).toEqual([...types].sort());
      const folder = await mkdtemp(join(tmpdir(), 'callosum-fhir-'));
      try {
        const resources = distinct(written);
        await Promise.all(
          resources.map((resource, index) =>
            writeFile(join(folder, `${index}-${resource.resourceType}.json`), JSON.stringify(resource)),
          ),
        );
        const validate = [join(repositoryRoot, 'tools/fhir-validator/validate.mjs'), folder];
        const { stdout, stderr } = await run(process.execPath, validate).catch(
          (failure: { stdout: string; stderr: string }) => failure,
        );
        expect(stdout.trim()).toBe('');
        // A validator that did not run says nothing either.
        expect(stderr).toContain(`${resources.length} resources validated, 0 errors`);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    300_000,
  );
}
