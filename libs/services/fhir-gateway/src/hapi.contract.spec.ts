import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import type { Patient, Resource } from '@callosum/fhir';
import { MissingPrerequisite, orSkip, repositoryRoot, startPostgres, testDataPath } from '@callosum/testing';
import { describe, expect, it } from 'vitest';

import { r4Definitions } from './adapters/definitions/r4-definitions.js';
import { startGateway } from './gateway-for-tests.js';

/** First use downloads and builds the validator; after that a run takes 20 to 40 s. */
const timeoutMs = 900_000;

interface Verdict {
  readonly status: number | null;
  /** Names of the resources HAPI finds errors in. */
  readonly refused: readonly string[];
}

/** Validates resources by name with tools/fhir-validator, all in one run. */
async function hapi(resources: ReadonlyMap<string, unknown>): Promise<Verdict> {
  const child = spawn(process.execPath, [join(repositoryRoot, 'tools/fhir-validator/validate.mjs')], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.end([...resources.values()].map((resource) => JSON.stringify(resource)).join('\n'));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const [output, notes, status] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  if (status === 3) throw new MissingPrerequisite('the HAPI FHIR validator is not to be had', notes.trim());
  const names = [...resources.keys()];
  const lines = output
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { source: string });
  const refused = new Set(lines.map(({ source }) => names[Number(source.replace('line ', '')) - 1] ?? source));
  return { status, refused: [...refused].sort() };
}

const good: Patient = {
  resourceType: 'Patient',
  identifier: [{ system: 'urn:oid:2.16.840.1.113883.3.1', value: '1' }],
  gender: 'female',
  birthDate: '1970-03',
};
const observation = {
  resourceType: 'Observation',
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] },
};
/** Wrong in ways both validators must see. */
const wrong: Readonly<Record<string, unknown>> = {
  'wrong gender': { ...good, gender: 'M' },
  'wrong status': { ...observation, status: 'done' },
  'wrong code in a data type': { ...good, identifier: [{ use: 'always', value: '1' }] },
  'wrong code deep inside': { ...good, contact: [{ telecom: [{ system: 'pigeon', value: '1' }] }] },
  'unknown element': { ...good, shoeSize: 42 },
  'missing code': { resourceType: 'Observation', status: 'final' },
  'a list where one is allowed': { ...good, birthDate: ['1970'] },
  'no date': { ...good, birthDate: '1970-13-01' },
  'a broken invariant': { ...good, contact: [{ gender: 'male' }] },
  'a reference to the wrong type': { ...observation, subject: 'Patient/1' },
};
/** HL7's own examples that HAPI 8.4.0 finds fault with: an entry without fullUrl, a canonical that is no URL. */
const faulty = ['Bundle-bundle-search-warning.json', 'Procedure-f201.json'];

/** HL7's and Synthea's resources; none without the shared test data. */
async function examples(): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  for (const folder of ['hl7-r4-examples', 'synthea-imagingstudy']) {
    const path = testDataPath('fhir', folder);
    for (const name of path ? (await readdir(path)).filter((file) => file.endsWith('.json')) : []) {
      found.set(name, JSON.parse(await readFile(join(path ?? '', name), 'utf8')));
    }
  }
  return found;
}

/** One answer of each form the gateway has. */
async function gatewayAnswers(): Promise<Map<string, unknown>> {
  const postgres = await startPostgres();
  const gateway = await startGateway(await postgres.createDatabase());
  const answers = new Map<string, unknown>();
  const ask = async (name: string, method: string, path: string, body?: unknown): Promise<unknown> => {
    const answer = await gateway.send(method, path, body);
    answers.set(`answer: ${name}`, answer.body);
    return answer.body;
  };
  await ask('capabilities', 'GET', '/metadata');
  const { id = '' } = (await ask('created', 'POST', '/Patient', good)) as Patient;
  await ask('updated', 'PUT', `/Patient/${id}`, { ...good, id, gender: 'male' });
  await gateway.send('DELETE', `/Patient/${id}`);
  await ask('history', 'GET', `/Patient/${id}/_history`);
  await ask('gone', 'GET', `/Patient/${id}`);
  await gateway.send('POST', '/Patient', good);
  await gateway.send('POST', '/Patient', good);
  await ask('search', 'GET', '/Patient?identifier=1&_count=1');
  await ask('search without match', 'GET', '/Patient?identifier=2');
  await ask('refused search', 'GET', '/Patient?shoe-size=1');
  await ask('refused resource', 'POST', '/Patient', wrong['wrong gender']);
  const entry = [
    {
      fullUrl: 'urn:uuid:00000000-0000-4000-8000-000000000001',
      resource: good,
      request: { method: 'POST', url: 'Patient' },
    },
    { request: { method: 'GET', url: 'Patient?identifier=1' } },
  ];
  await ask('transaction', 'POST', '/', { resourceType: 'Bundle', type: 'transaction', entry });
  await ask('batch', 'POST', '/', {
    resourceType: 'Bundle',
    type: 'batch',
    entry: [...entry, { request: { method: 'GET', url: 'Patient/nobody' } }],
  });
  await gateway.stop();
  await postgres.stop();
  return answers;
}

describe('the HAPI validator', () => {
  it(
    'finds what is wrong as we do, takes the examples of HL7, and finds no fault with what the gateway answers',
    async ({ skip }) => {
      const resources = new Map<string, unknown>([
        ['good patient', good],
        ['good observation', observation],
        ...Object.entries(wrong),
        ...(await examples()),
      ]);
      const answers = await gatewayAnswers();
      // One run: starting the validator costs more than validating all of these.
      const { server: verdict, missing } = await orSkip(() => hapi(new Map([...resources, ...answers])));
      if (!verdict) return skip(missing);
      expect(verdict).toEqual({
        status: 1,
        refused: [...Object.keys(wrong), ...faulty.filter((name) => resources.has(name))].sort(),
      });

      const definitions = r4Definitions([]);
      const refused = [...resources].filter(([, resource]) =>
        definitions.validate(resource as Resource).some(({ severity }) => severity === 'error'),
      );
      expect(refused.map(([name]) => name).sort()).toEqual(Object.keys(wrong).sort());
    },
    timeoutMs,
  );
});
