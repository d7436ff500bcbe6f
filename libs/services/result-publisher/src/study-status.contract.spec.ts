import { FhirUnavailableError } from '@callosum/fhir';
import { sql } from 'kysely';
import { expect, it } from 'vitest';

import { startGateway } from '../../fhir-gateway/src/gateway-for-tests.js';
import { StudyStatus } from './adapters/postgres/study-status.js';
import {
  completed,
  database,
  dependencies,
  drain,
  fact,
  jobCompleted,
  linked,
  quarantined,
  setDependencies,
  study,
  usePublishing,
} from './test-support/publishing.js';

usePublishing(startGateway);

const publications = async () => (await new StudyStatus(database).of(study)).publications ?? [];
const states = async () =>
  (await publications())
    .map(({ kind, state, waitsFor, sinks }) => [kind, state, waitsFor, sinks.join()].filter(Boolean).join(' '))
    .sort();

it('tells of each publication what it waits for, and where it stands once it is done', async () => {
  expect(await publications()).toEqual([]);
  await jobCompleted();
  expect(await states()).toContain('result waiting identity');
  await linked();
  expect(await states()).toContain('result due');
  await completed();
  await drain();
  expect(await states()).toEqual(['imaging-study published fhir', 'result published archive,fhir']);
  const [one] = await publications();
  expect(Date.parse(one?.publishedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(one?.createdAt ?? ''));
  const { traceparents } = await new StudyStatus(database).of(study);
  expect(traceparents).toContain(fact().origin.traceparent);
  await quarantined();
  expect(await states()).toContain('result waiting identity archive,fhir');
  expect(await states()).toContain('correction due');
});

it('tells when a sink that is away is tried again, and why one is parked', async () => {
  const { fhir } = dependencies;
  setDependencies({
    fhir: {
      ...fhir,
      transact: () => Promise.reject(new FhirUnavailableError('POST transaction', 'ECONNREFUSED', 'not-sent')),
    } as never,
  });
  await jobCompleted();
  await linked();
  await completed();
  await drain();
  const due = (await publications()).find(({ kind }) => kind === 'result');
  expect(due).toMatchObject({ state: 'due', attempts: 1, model: expect.stringMatching(/./) as string });
  expect(due?.errorCode).not.toBe('');
  expect(Date.parse(due?.nextAttemptAt ?? '')).toBeGreaterThan(Date.parse(due?.createdAt ?? ''));
  await sql`update publication set state = 'parked', next_attempt_at = null, error_code = 'results.refused'
    where kind = 'result'`.execute(database.db);
  const parked = (await publications()).find(({ kind }) => kind === 'result');
  expect(parked).toMatchObject({ state: 'parked', errorCode: 'results.refused', nextAttemptAt: undefined });
});
