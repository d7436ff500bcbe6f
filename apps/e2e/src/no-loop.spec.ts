import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { factCount, keptCount, parked, query } from './harness/database.js';
import { everyResource, fhirGet, imagingStudyOf, reportsOf, waitForReport } from './harness/fhir.js';
import { newFolder } from './harness/paths.js';
import { runPython } from './harness/python.js';
import { instancesOf, retrieve, send, smallPhantom, storescu } from './harness/studies.js';

const phantom = smallPhantom({ uidSalt: 'no-loop', patient: { patientId: 'E2E-LOOP-1' } });
const uid = phantom.studyInstanceUid;

/** What a PACS does to attributes of what it was given: another name, another accession number, the same UIDs. */
const coerce = `
import json, sys
from pydicom import dcmread
for source, target in zip(sys.argv[1::2], sys.argv[2::2]):
    dataset = dcmread(source)
    dataset.PatientName = 'COERCED^BY A PACS'
    dataset.AccessionNumber = 'PACS-2'
    dataset.save_as(target)
print(json.dumps('done'))
`;

/** Longer than the quiet period of the tests (2 s) and a job of a small phantom together. */
const settleMs = 8_000;

/** Rule 4: what Callosum made and another node sends back is known for what it is. */
describe('the SEG and SR of Callosum, sent back by another node', () => {
  let system: Callosum;
  let made: string[];
  let before: Awaited<ReturnType<typeof state>>;

  beforeAll(async () => {
    system = await Callosum.start('no-loop');
    await send(system, phantom);
    await waitForReport(system.httpUrl, uid);
    const folder = newFolder('made');
    const results = (await instancesOf(system.httpUrl, uid)).filter(({ modality }) => ['SEG', 'SR'].includes(modality));
    expect(results.map(({ modality }) => modality).sort()).toEqual(['SEG', 'SR']);
    made = [];
    for (const instance of results) {
      const path = join(folder, `${instance.modality}.dcm`);
      writeFileSync(path, await retrieve(system.httpUrl, uid, instance));
      made.push(path);
    }
    await sleep(settleMs);
    before = await state();
    expect(before.jobs).toHaveLength(1);
    expect(before.reports).toHaveLength(1);
  });
  afterAll(() => system.stop());

  it('changes nothing when they come back as they are', async () => {
    const { code, stderr } = await storescu(system, made, { callingAet: 'PACS' });
    expect(code, stderr).toBe(0);
    await sleep(settleMs);
    expect(await state()).toEqual(before);
    expect(await keptCount(system, uid)).toBe(phantom.instances.length + 2);
  });

  it('keeps what a PACS made of their attributes, but opens no revision, job or report for it', async () => {
    const coerced = made.map((path) => path.replace('.dcm', '-coerced.dcm'));
    await runPython(
      coerce,
      made.flatMap((path, i) => [path, coerced[i] ?? '']),
    );
    const { code, stderr } = await storescu(system, coerced, { callingAet: 'PACS' });
    expect(code, stderr).toBe(0);
    // Nothing acknowledged is dropped: rule 2 keeps both versions.
    expect(await keptCount(system, uid)).toBe(phantom.instances.length + 4);
    await sleep(settleMs);
    expect(await state()).toEqual(before);
    expect(await parked(system)).toEqual([]);
  });

  it('still sees a source instance that comes late for what it is', async () => {
    // The control: the same wait does show a revision where there must be one.
    const late = smallPhantom({
      uidSalt: 'no-loop',
      patient: { patientId: 'E2E-LOOP-1' },
      seed: 1,
      studyDate: '20260106',
    });
    const [corrected] = late.instances;
    if (!corrected) throw new Error('no instance');
    const path = join(newFolder('late'), corrected.fileName);
    writeFileSync(path, corrected.bytes);
    expect((await storescu(system, [path])).code).toBe(0);
    await sleep(settleMs);
    const after = await state();
    expect(Number(after.completions)).toBe(Number(before.completions) + 1);
  });

  /** Everything that must stay as it is. */
  async function state() {
    const study = await imagingStudyOf(system.httpUrl, uid);
    const jobs = (await (await fetch(`${system.httpUrl}/api/inference/jobs?study=${uid}`)).json()) as {
      jobs: { jobId: string; state: string; studyRevision: number }[];
    };
    const reports = await reportsOf(system.httpUrl, uid);
    const histories = await Promise.all(
      reports.map(({ id }) => fhirGet<{ total?: number }>(system.httpUrl, `DiagnosticReport/${id}/_history`)),
    );
    const [index] = await query<{ revision: number; state: string }>(
      system,
      'select revision, state from study_index.study where study_instance_uid = $1',
      [uid],
    );
    return {
      jobs: jobs.jobs.map(({ jobId, state: jobState, studyRevision }) => ({ jobId, jobState, studyRevision })),
      reports: reports.map(({ id, meta }) => ({ id, meta })),
      reportVersions: histories.map(({ total }) => total),
      series: (study?.['series'] as { uid: string; numberOfInstances: number }[]).map((one) => ({
        uid: one.uid,
        instances: one.numberOfInstances,
      })),
      studyVersion: study?.['meta'],
      resources: (await everyResource(system.httpUrl)).length,
      index,
      scheduled: await factCount(system, 'inference.job.scheduled.v1', uid),
      completions: await factCount(system, 'imaging.study.completed.v1', uid),
      published: await factCount(system, 'results.result.published.v1', uid),
    };
  }
});
