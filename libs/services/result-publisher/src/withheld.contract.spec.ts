import type { DiagnosticReport, ImagingStudy, Observation, Task } from '@callosum/fhir';
import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';

import { startGateway } from '../../fhir-gateway/src/gateway-for-tests.js';
import {
  all,
  archive,
  completed,
  database,
  drain,
  jobCompleted,
  kept,
  linked,
  peers,
  result,
  study,
  tiny,
  usePublishing,
} from './test-support/publishing.js';

usePublishing(startGateway);

const source = [...result.sopInstanceUids];
const refs = source.map((sopInstanceUid) => ({ seriesInstanceUid: result.seriesInstanceUid, sopInstanceUid }));
const one = async <T>(type: string): Promise<T> => (await all(type))[0] as T;
const listed = async (): Promise<string[]> =>
  ((await one<ImagingStudy>('ImagingStudy')).series ?? [])
    .flatMap(({ instance = [] }) => instance.map(({ uid }) => uid))
    .sort();
const states = async (): Promise<string[]> =>
  (await sql<{ state: string }>`select distinct state from publication`.execute(database.db)).rows.map(
    ({ state }) => state,
  );

async function publishWhole(): Promise<void> {
  await linked();
  await completed();
  await jobCompleted();
  await drain();
}
/** The archive withholds the source, the index follows, and the study completes without it. */
async function withhold(sopInstanceUids?: readonly string[]): Promise<void> {
  const wanted = new Set(sopInstanceUids ?? source);
  const instances = refs.filter(({ sopInstanceUid }) => wanted.has(sopInstanceUid));
  await kept.tombstones.hideInstances(study, instances, { reason: 'person', eraseAfterMs: null, actor: 'somebody' });
  peers.withhold([...wanted]);
  peers.revision = 2;
  await completed(2);
  await drain();
}
async function restore(): Promise<void> {
  await kept.tombstones.restore({ studyInstanceUid: study }, { actor: 'somebody' });
  for (const [uid, dataset] of tiny.instances) peers.instances.set(uid, dataset);
  peers.revision = 3;
  await completed(3);
  await drain();
}

describe('a published result whose images are withheld', () => {
  it('is entered in error with its observations, and its SEG and SR are hidden', async () => {
    await publishWhole();
    const own = [...archive.stored];
    expect(await listed()).toEqual(expect.arrayContaining(own.toSorted()));
    await withhold(source.slice(0, 1));
    const report = await one<DiagnosticReport>('DiagnosticReport');
    expect(report).toMatchObject({ status: 'entered-in-error' });
    expect(report.conclusion).toBeUndefined();
    expect((await all<Observation>('Observation')).map(({ status }) => status)).toEqual(
      Array(4).fill('entered-in-error'),
    );
    expect((await one<Task>('Task')).status).toBe('completed');
    expect(await kept.tombstones.withheldAmong(study, own)).toEqual(new Set(own));
    expect(await listed()).toEqual(source.slice(1).toSorted());
    expect(await states()).toEqual(['published']);
  });

  it('leaves an ImagingStudy that is cancelled when nothing of the study is shown, and tries nothing for ever', async () => {
    await publishWhole();
    await withhold([...source, ...archive.stored]);
    expect(await one<ImagingStudy>('ImagingStudy')).toMatchObject({ status: 'cancelled', numberOfInstances: 0 });
    expect(await one<DiagnosticReport>('DiagnosticReport')).toMatchObject({ status: 'entered-in-error' });
    expect(await states()).toEqual(['published']);
  });

  it('is published again under the same UIDs when they are shown again', async () => {
    await publishWhole();
    const own = [...archive.stored];
    const before = await one<DiagnosticReport>('DiagnosticReport');
    await withhold();
    await restore();
    const after = await one<DiagnosticReport>('DiagnosticReport');
    expect(after).toMatchObject({ id: before.id, status: 'preliminary', conclusion: before.conclusion });
    expect(archive.stored).toEqual(own);
    expect(await kept.tombstones.withheldAmong(study, own)).toEqual(new Set());
    expect(await listed()).toEqual([...source, ...own].toSorted());
  });

  it('is published again too where somebody deleted its SEG and SR with them, and restores the study', async () => {
    await publishWhole();
    const own = [...archive.stored];
    const person = { reason: 'person', eraseAfterMs: null, actor: 'somebody' } as const;
    await kept.tombstones.hide({ studyInstanceUid: study }, person);
    await withhold([...source, ...own]);
    expect(await kept.tombstones.withheldAmong(study, own)).toEqual(new Set(own));
    await restore();
    expect(await one<DiagnosticReport>('DiagnosticReport')).toMatchObject({ status: 'preliminary' });
    expect(await kept.tombstones.withheldAmong(study, own)).toEqual(new Set());
    expect(await listed()).toEqual([...source, ...own].toSorted());
  });
});

describe('a result that comes when its images are withheld already', () => {
  it('is not published', async () => {
    await linked();
    await completed();
    await drain();
    await withhold(source.slice(0, 1));
    await jobCompleted();
    await drain();
    expect(await all('DiagnosticReport')).toEqual([]);
    expect(archive.stored).toEqual([]);
    expect(await states()).toEqual(['published']);
  });
});
