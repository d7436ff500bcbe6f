import { Readable } from 'node:stream';

import { imaging, inference } from '@callosum/contracts';
import {
  type DiagnosticReport,
  FhirUnavailableError,
  type ImagingStudy,
  type Observation,
  type Resource,
  type Task,
} from '@callosum/fhir';
import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';

import { startGateway } from '../../fhir-gateway/src/gateway-for-tests.js';
import { ParkedPublications } from './adapters/postgres/parked-publications.js';
import { recordJobCompleted, recordJobFailed } from './application/record-job.js';
import { recordStudyUpdated } from './application/record-study.js';
import { claimLeaseMs, workOff } from './application/work-off-publication.js';
import { passesTheValidator } from './test-support/validator.js';
import {
  written,
  peers,
  archive,
  archiveDatabase,
  database,
  publications,
  dependencies,
  decidedAt,
  tiny,
  result,
  study,
  fact,
  completed,
  linked,
  quarantined,
  jobCompleted,
  jobEvent,
  counts,
  whole,
  nothing,
  makeDue,
  endLeases,
  patient,
  drain,
  all,
  announced,
  facts,
  objectStore,
  setDependencies,
  usePublishing,
} from './test-support/publishing.js';

usePublishing(startGateway);

describe('a study without a model', () => {
  it('is an ImagingStudy once it is complete and linked, in either order, and says where its images are', async () => {
    await linked();
    expect(await drain()).toEqual([]);
    await completed();
    expect(await drain()).toEqual(['imaging-study published']);
    const [found] = await all<ImagingStudy>('ImagingStudy');
    expect(found?.identifier?.[0]).toEqual({ system: 'urn:dicom:uid', value: `urn:oid:${study}` });
    expect([found?.numberOfSeries, found?.numberOfInstances, found?.started]).toEqual([
      1,
      5,
      '2026-03-01T10:15:00+01:00',
    ]);
    expect(found?.subject?.reference).toBe(peers.decision.patientReference);
    const [endpoint] = await all<Resource & { address?: string }>('Endpoint');
    expect(found?.endpoint?.[0]?.reference).toBe(`Endpoint/${endpoint?.id}`);
    expect(endpoint?.address).toBe('https://callosum.example/dicom-web');
    expect(JSON.stringify(found)).not.toContain('Tiny');
    expect(await announced()).toMatchObject([{ kind: 'PUBLICATION_KIND_IMAGING_STUDY', correlation: 'correlation-1' }]);
  });

  it('grows with later revisions and results as the same resource, and is left alone when nothing changed', async () => {
    await linked();
    await completed();
    await drain();
    await completed(1);
    expect(await drain()).toEqual(['imaging-study unchanged']);
    const [before] = await all<ImagingStudy>('ImagingStudy');
    peers.revision = 2;
    peers.instances.set('1.2.3.4', {
      ...[...tiny.instances.values()][0],
      '00080018': { vr: 'UI', Value: ['1.2.3.4'] },
    });
    await completed(2);
    expect(await drain()).toEqual(['imaging-study published']);
    const found = await all<ImagingStudy>('ImagingStudy');
    expect(found.map(({ id, numberOfInstances, meta }) => [id, numberOfInstances, meta?.versionId])).toEqual([
      [before?.id, 6, '2'],
    ]);
    await recordStudyUpdated(
      facts,
      fact(),
      imaging.StudyUpdated.fromPartial({
        studyInstanceUid: study,
        changes: [imaging.StudyChange.STUDY_CHANGE_RESULTS],
      }),
    );
    expect(await drain()).toEqual(['imaging-study unchanged']);
  });
});

describe('a result', () => {
  it('waits for the link, then is published whole and once', async () => {
    await completed();
    const event = jobEvent();
    const sameFact = fact();
    await recordJobCompleted(facts, sameFact, event);
    await recordJobCompleted(facts, sameFact, event);
    await recordJobCompleted(facts, fact(), event);
    expect(await drain()).toEqual([]);
    expect(await counts()).toEqual(nothing);
    await linked();
    expect((await drain()).sort()).toEqual(['imaging-study published', 'result published']);
    expect(await counts()).toEqual(whole);

    const [report] = await all<DiagnosticReport>('DiagnosticReport');
    const [imagingStudy] = await all<ImagingStudy>('ImagingStudy');
    const observations = await all<Observation>('Observation');
    const [task] = await all<Task>('Task');
    expect(report).toMatchObject({
      status: 'preliminary',
      subject: { reference: peers.decision.patientReference },
      imagingStudy: [{ reference: `ImagingStudy/${imagingStudy?.id}` }],
    });
    const viewer = `https://callosum.example/viewer/viewer?StudyInstanceUIDs=${study}`;
    expect(report?.text?.div).toContain(`<a href="${viewer}">`);
    const objects = imagingStudy?.series?.filter(({ modality }) => modality?.code !== 'CT') ?? [];
    const uids = objects.flatMap(({ modality, instance }) => instance?.map(({ uid }) => [modality?.code, uid]) ?? []);
    expect(uids).toHaveLength(2);
    for (const [kind, uid] of uids) expect(report?.text?.div).toContain(`(DICOM ${kind}): ${uid}</p>`);
    expect(report?.conclusion).toContain('Warning: The lungs reach the edge of the field of view');
    expect(report?.result?.map(({ reference }) => reference).sort()).toEqual(
      observations.map(({ id }) => `Observation/${id}`).sort(),
    );
    const left = observations.find(({ bodySite }) => bodySite?.text === 'Lung, left');
    expect(left?.valueQuantity).toMatchObject({ system: 'http://unitsofmeasure.org', code: 'mL' });
    expect(left?.valueQuantity?.value).toBeCloseTo(0.050625, 9);
    expect(task).toMatchObject({
      status: 'completed',
      identifier: [{ value: result.jobId }],
      output: [{ valueReference: { reference: `DiagnosticReport/${report?.id}` } }],
    });
    // Both own series stand in the ImagingStudy the report refers to: nothing it names is missing.
    expect(imagingStudy?.series?.map(({ modality }) => modality?.code).sort()).toEqual(['CT', 'SEG', 'SR']);
    expect(imagingStudy?.series?.flatMap(({ instance }) => instance?.map(({ uid }) => uid) ?? [])).toEqual(
      expect.arrayContaining(archive.stored),
    );
    expect((await announced()).filter(({ kind }) => kind === 'PUBLICATION_KIND_RESULT')).toMatchObject([
      { diagnosticReportReference: `DiagnosticReport/${report?.id}` },
    ]);
    expect(peers.leasesHeld).toBe(0);
  });

  it('stays back in quarantine, and is published once when a person has decided', async () => {
    await completed();
    await linked();
    await quarantined();
    await jobCompleted();
    expect(await drain()).toEqual([]);
    expect(await counts()).toEqual(nothing);
    peers.decision = { ...peers.decision, id: 'decision-2' };
    await linked();
    await drain();
    expect(await counts()).toEqual(whole);
  });

  it('does not follow an older quarantine that arrives late', async () => {
    const before = decidedAt;
    await linked();
    await quarantined(before);
    await jobCompleted();
    expect(await drain()).toEqual(['result published']);
  });

  it('is not published under a decision that changed meanwhile, at any moment before the write', async () => {
    await linked();
    await jobCompleted();
    peers.identityDigest = 'digest-2';
    expect(await drain()).toEqual(['result retry']);
    peers.identityDigest = 'digest-1';
    peers.decision.id = 'decision-2';
    await makeDue();
    expect(await drain()).toEqual(['result retry']);
    peers.decision.id = 'decision-1';
    peers.onConfirm = () => (peers.decision.id = 'decision-3');
    await makeDue();
    expect(await drain()).toEqual(['result retry']);
    expect(await counts()).toEqual(nothing);
    expect(peers.leasesHeld).toBe(0);
  });

  it('is exactly one of each after a crash between the write and its record', async () => {
    await linked();
    await completed();
    await jobCompleted();
    const succeed = publications.succeed.bind(publications);
    let crashes = 0;
    publications.succeed = (claim, outcome) => {
      if (claim.kind !== 'result' || crashes++ > 1) return succeed(claim, outcome);
      return Promise.reject(new FhirUnavailableError('test', 'the process ended here'));
    };
    for (let round = 0; round < 4; round++) {
      await drain();
      await endLeases();
      await makeDue();
    }
    expect(crashes).toBe(3);
    expect(await counts()).toEqual(whole);
    // The archive holds one SEG and one SR, known as ours before they came (rule 4), and told of once each.
    const { rows } = await archiveDatabase.pool.query(`select origin, issued_by_callosum, revision from intake`);
    expect(rows).toEqual(Array(2).fill({ origin: 'callosum', issued_by_callosum: true, revision: 1 }));
    const { rows: told } = await archiveDatabase.pool.query(`select correlation_id from outbox`);
    expect(told).toEqual(Array(2).fill({ correlation_id: 'correlation-1' }));
    expect((await announced()).filter(({ kind }) => kind === 'PUBLICATION_KIND_RESULT').length).toBe(1);
  });

  it('is tried again until the FHIR server is back, and the study is free meanwhile', async () => {
    await linked();
    await jobCompleted();
    const { fhir } = dependencies;
    let down = true;
    setDependencies({
      fhir: {
        ...fhir,
        find: (keys) => fhir.find(keys),
        transact: (bundle, ms) =>
          down ? Promise.reject(new FhirUnavailableError('POST transaction', 'refused')) : fhir.transact(bundle, ms),
      },
    });
    expect(await drain()).toEqual(['result retry']);
    await completed();
    expect(await drain()).toEqual(['imaging-study retry']);
    down = false;
    await makeDue();
    expect((await drain()).sort()).toEqual(['imaging-study published', 'result published']);
    expect(await counts()).toEqual(whole);
  });

  it('refers to nothing that cannot be retrieved', async () => {
    await linked();
    await jobCompleted();
    archive.lagging = true;
    expect(await drain()).toEqual(['result retry']);
    expect(await counts()).toEqual(nothing);
    archive.lagging = false;
    await makeDue();
    expect(await drain()).toEqual(['result published']);
  });

  it('does not wait for the index while the process ends, and is tried again', async () => {
    await linked();
    await jobCompleted();
    const claim = await publications.claim(claimLeaseMs);
    let pauses = 0;
    const ending = {
      ...dependencies,
      archive: {
        store: () => Promise.resolve(),
        isWithheld: () => Promise.resolve(false),
        hide: () => Promise.resolve(),
      },
      pause: () => Promise.resolve(void pauses++),
      ending: AbortSignal.abort(),
    };
    expect(claim && (await workOff(publications, ending, claim)).end).toBe('retry');
    expect(pauses).toBe(0);
  });

  it('is set aside when the server refuses it for good', async () => {
    await linked();
    await jobCompleted({
      result: inference.InferenceResult.fromPartial({
        ...jobEvent().result,
        labelMaps: [{ ...jobEvent().result?.labelMaps[0], rows: 3 }],
      }),
    });
    expect(await drain()).toEqual(['result parked']);
    const { rows } = await sql<{
      state: string;
      error_code: string;
    }>`select state, error_code from publication`.execute(database.db);
    expect(rows).toEqual([{ state: 'parked', error_code: 'results.unpublishable' }]);
    const parked = await new ParkedPublications(database, () => undefined).counts();
    expect(Object.fromEntries(parked)).toEqual({ 'imaging-study': 0, result: 1, failure: 0, correction: 0 });
  });

  it('of a later revision updates the same report and observations, and takes back what it no longer says', async () => {
    await linked();
    await completed();
    await jobCompleted();
    await drain();
    const [before] = await all<DiagnosticReport>('DiagnosticReport');
    await jobCompleted({
      jobId: 'job-2',
      revision: 2,
      resultDigest: 'ef'.repeat(32),
      measurements: result.measurements.slice(0, 2),
    });
    expect(await drain()).toEqual(['result published']);
    expect(await counts()).toEqual({ ...whole, Task: 2, Provenance: 2 });
    const [report] = await all<DiagnosticReport>('DiagnosticReport');
    expect([report?.id, report?.status, report?.result?.length]).toEqual([before?.id, 'preliminary', 3]);
    const observations = await all<Observation>('Observation');
    expect(observations.map(({ status }) => status).sort()).toEqual([
      'entered-in-error',
      'preliminary',
      'preliminary',
      'preliminary',
    ]);
    expect(observations.find(({ status }) => status === 'entered-in-error')?.valueQuantity?.code).toBe('%');

    // The first revision's result, replayed late by another job, does not overwrite the second's.
    await jobCompleted({ jobId: 'job-late', revision: 1, resultDigest: 'aa'.repeat(32) });
    expect(await drain()).toEqual(['result superseded']);
    expect(await counts()).toEqual({ ...whole, Task: 2, Provenance: 2 });
  });

  it('moves with its study to another Patient', async () => {
    await linked();
    await completed();
    await jobCompleted();
    await drain();
    const other = await patient('two');
    peers.decision = { id: 'decision-2', patientReference: other };
    await linked();
    const drained = await drain();
    // One Provenance more: who moved it.
    expect(await counts()).toEqual({ ...whole, Provenance: 2 });
    expect(drained).toEqual(['correction published', 'result published', 'imaging-study published']);
    const moved = [
      ...(await all<DiagnosticReport>('DiagnosticReport')),
      ...(await all<Observation>('Observation')),
      ...(await all<ImagingStudy>('ImagingStudy')),
    ];
    expect(new Set(moved.map(({ subject }) => subject?.reference))).toEqual(new Set([other]));
  });
});

describe('a job without a result', () => {
  const failed = (reason: inference.JobFailureReason, said: Partial<inference.JobFailed> = {}) =>
    recordJobFailed(
      facts,
      fact(),
      inference.JobFailed.fromPartial({
        jobId: result.jobId,
        model: result.model,
        input: jobEvent().input,
        reason,
        detail: 'the worker gave up',
        attempts: 3,
        failedAt: '2026-11-22T03:05:00.000Z',
        ...said,
      }),
    );

  const reports = async () =>
    (await all<DiagnosticReport>('DiagnosticReport')).map(({ status, result: own }) => [status, own?.length ?? 0]);

  it('is a failed Task that says why, and a cancelled report until a later job gives a result', async () => {
    await linked();
    await failed(inference.JobFailureReason.JOB_FAILURE_REASON_ATTEMPTS_EXHAUSTED);
    expect(await drain()).toEqual(['failure published']);
    expect(await counts()).toEqual({
      ...nothing,
      ImagingStudy: 1,
      Endpoint: 1,
      Task: 1,
      Device: 1,
      DiagnosticReport: 1,
    });
    const [report] = await all<DiagnosticReport>('DiagnosticReport');
    expect(report).toMatchObject({ status: 'cancelled', subject: { reference: peers.decision.patientReference } });
    expect(report?.conclusion).toContain('No result: attempts exhausted');
    expect(report?.result).toBeUndefined();
    expect((await all<Task>('Task'))[0]).toMatchObject({
      status: 'failed',
      statusReason: { text: 'attempts exhausted: the worker gave up' },
    });
    await jobCompleted({ jobId: '0195f000-0000-7000-8000-00000000aaaa' });
    await drain();
    const [later, ...others] = await all<DiagnosticReport>('DiagnosticReport');
    expect([later?.id, later?.status, others.length]).toEqual([report?.id, 'preliminary', 0]);
  });

  it('leaves the report of a result alone', async () => {
    await linked();
    await jobCompleted({ jobId: '0195f000-0000-7000-8000-00000000aaaa' });
    await drain();
    const before = await reports();
    expect(before).toEqual([['preliminary', expect.any(Number) as number]]);
    await failed(inference.JobFailureReason.JOB_FAILURE_REASON_ATTEMPTS_EXHAUSTED);
    expect(await drain()).toContain('failure published');
    expect(await reports()).toEqual(before);
  });

  it('says what the worker said, which its fact only refers to', async () => {
    const bytes = Buffer.from(JSON.stringify({ detail: 'the table is in the field of view' }));
    const { sha256 } = await objectStore.put('default/results/said', Readable.from([bytes]));
    await linked();
    await failed(inference.JobFailureReason.JOB_FAILURE_REASON_INPUT_UNUSABLE, {
      detail: '',
      detailArtifact: { key: 'default/results/said', byteCount: BigInt(bytes.length), sha256 },
    });
    expect(await drain()).toEqual(['failure published']);
    expect((await all<Task>('Task'))[0]?.statusReason).toEqual({
      text: 'input unusable: the table is in the field of view',
    });
  });

  it('is a cancelled Task when a newer job took its place', async () => {
    await linked();
    await failed(inference.JobFailureReason.JOB_FAILURE_REASON_SUPERSEDED);
    await drain();
    expect((await all<Task>('Task'))[0]?.status).toBe('cancelled');
    // The newer job's outcome is the report.
    expect(await reports()).toEqual([]);
  });
});

describe('the queue', () => {
  it('gives a study to one worker at a time, and a worker that was overtaken records nothing', async () => {
    await linked();
    await completed();
    await jobCompleted();
    const claims = await Promise.all(Array.from({ length: 6 }, () => publications.claim(claimLeaseMs)));
    const [claim, ...others] = claims.filter((found) => found !== undefined);
    expect(others).toEqual([]);
    await endLeases();
    const second = await publications.claim(claimLeaseMs);
    expect(second?.fence).toBe((claim?.fence ?? 0) + 1);
    if (claim) await expect(publications.retry(claim, 'late', claim.failures, 0)).rejects.toThrow('took over');
    // Nor does it let go what is not its own any more.
    if (claim) await publications.giveBack(claim, claim.failures, 0);
    expect(await publications.claim(claimLeaseMs)).toBeUndefined();
    if (second) await publications.giveBack(second, second.failures, 0);
    expect((await publications.claim(claimLeaseMs))?.fence).toBe((second?.fence ?? 0) + 1);
  });

  it('gives back what could not be recorded with a pause and a count, and the rest of its study has its turn', async () => {
    await linked();
    await completed();
    await jobCompleted();
    const first = await publications.claim(claimLeaseMs);
    if (first) await publications.giveBack(first, { ...first.failures, defects: 3 }, 60_000);
    const second = await publications.claim(claimLeaseMs);
    expect(new Set([first?.kind, second?.kind])).toEqual(new Set(['result', 'imaging-study']));
    if (second) await publications.settle(second, 'published');
    expect(await publications.claim(claimLeaseMs)).toBeUndefined();
    await makeDue();
    const again = await publications.claim(claimLeaseMs);
    expect([again?.id, again?.failures.defects]).toEqual([first?.id, 3]);
  });
});

describe('every resource written', () => passesTheValidator(written, Object.keys(whole)));
