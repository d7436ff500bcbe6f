import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect } from 'vitest';

import type { FhirResource } from './fhir.js';
import { newFolder, root } from './paths.js';
import { run } from './processes.js';

/** Fails unless the HAPI FHIR R4 validator accepts every one of these. */
export async function expectValid(resources: readonly FhirResource[]): Promise<void> {
  const folder = newFolder('fhir');
  mkdirSync(folder, { recursive: true });
  for (const resource of resources) {
    writeFileSync(join(folder, `${resource.resourceType}-${resource.id}.json`), JSON.stringify(resource));
  }
  const validator = join(root, 'tools/fhir-validator/validate.mjs');
  const { code, stdout, stderr } = await run(process.execPath, [validator, folder]);
  expect(code, `${stdout.slice(-4000)}${stderr.slice(-1000)}`).toBe(0);
  expect(stderr).toContain(`${resources.length} resources validated, 0 errors`);
}
