import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { factCount, parked, query } from './harness/database.js';
import { everyResource, eventually, fhirSearch, imagingStudyOf, reportsOf, waitForReport } from './harness/fhir.js';
import { send, smallPhantom } from './harness/studies.js';

const patientId = 'E2E-4711-77';
const first = smallPhantom({
  uidSalt: 'wrong-patient-1',
  accessionNumber: 'ACCESSION-ONE-1',
  patient: { patientId, patientName: 'FIRSTHOLDER^BERTA', birthDate: '19500102', sex: 'F' },
});
const second = smallPhantom({
  uidSalt: 'wrong-patient-2',
  accessionNumber: 'ACCESSION-TWO-2',
  patient: { patientId, patientName: 'SECONDHOLDER^KARLO', birthDate: '19910315', sex: 'M' },
});
const uid = second.studyInstanceUid;

interface Decision {
  readonly decisionId: string;
  readonly studyInstanceUid: string;
  readonly state: string;
  readonly reasons?: readonly string[];
  readonly patient?: string;
  readonly evidence: {
    readonly demographics?: { readonly patientName: string; readonly patientBirthDate: string };
    readonly candidates: readonly { readonly patient: string; readonly corroboration?: Record<string, string> }[];
  };
}

/** One Patient ID, two people: the second study must not reach the first person's record, nor any other by itself. */
describe('a study under the Patient ID of somebody else', () => {
  let system: Callosum;
  let quarantined: Decision;
  let rightPatient: string;

  const waiting = async (): Promise<Decision[]> => {
    const response = await fetch(`${system.httpUrl}/api/identity/quarantine`);
    return ((await response.json()) as { decisions: Decision[] }).decisions;
  };
  const resolve = (body: unknown): Promise<Response> =>
    fetch(`${system.httpUrl}/api/identity/quarantine/${quarantined.decisionId}/resolve`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  /** Every version of every resource, deleted ones too. */
  const everyVersion = (text: string): Promise<{ type: string }[]> =>
    query(system, 'select resource_type as type from fhir_gateway.resource_version where content::text ilike $1', [
      `%${text}%`,
    ]);

  beforeAll(async () => {
    system = await Callosum.start('wrong-patient');
    await send(system, first);
    await waitForReport(system.httpUrl, first.studyInstanceUid);
    await send(system, second);
    quarantined = await eventually('the second study is quarantined', 60_000, async () =>
      (await waiting()).find(({ studyInstanceUid }) => studyInstanceUid === uid),
    );
    // The model may run before anybody knows whose study it is; its result is there to be published wrongly.
    await eventually('the second study is analysed', 120_000, async () => {
      return (await factCount(system, 'inference.job.completed.v1', uid)) === 1;
    });
    await sleep(3_000);
  });
  afterAll(() => system.stop());

  it('is held back with what speaks for and against it', async () => {
    expect(quarantined.state).toBe('quarantined');
    expect(quarantined.reasons).toEqual(
      expect.arrayContaining(['birth-date-contradicts', 'sex-contradicts', 'name-contradicts']),
    );
    expect(quarantined.evidence.demographics).toMatchObject({
      patientName: 'SECONDHOLDER^KARLO',
      patientBirthDate: '19910315',
    });
    const [candidate] = quarantined.evidence.candidates;
    const firstSubject = (await imagingStudyOf(system.httpUrl, first.studyInstanceUid))?.['subject'];
    expect({ reference: candidate?.patient }).toEqual(firstSubject);
    expect(candidate?.corroboration).toEqual({
      birthDate: 'contradicts',
      sex: 'contradicts',
      name: 'contradicts',
    });
  });

  it('leaves nothing of itself in the record, and the first study as it was', async () => {
    const resources = await everyResource(system.httpUrl);
    expect(resources.length).toBeGreaterThan(0);
    for (const trace of [uid, 'SECONDHOLDER', 'KARLO', '1991-03-15', 'ACCESSION-TWO-2']) {
      const found = resources.filter((resource) =>
        JSON.stringify(resource).toLowerCase().includes(trace.toLowerCase()),
      );
      expect(found.map(({ resourceType, id }) => `${resourceType}/${id} holds ${trace}`)).toEqual([]);
      expect(await everyVersion(trace)).toEqual([]);
    }
    expect(await factCount(system, 'results.result.published.v1', uid)).toBe(0);
    expect(resources.filter(({ resourceType }) => resourceType === 'Patient')).toHaveLength(1);
    expect(await reportsOf(system.httpUrl, first.studyInstanceUid)).toHaveLength(1);
  });

  it('is published once, under the Patient a person chose', async () => {
    const created = await fetch(`${system.httpUrl}/fhir/Patient`, {
      method: 'POST',
      headers: { 'content-type': 'application/fhir+json' },
      body: JSON.stringify({ resourceType: 'Patient', name: [{ family: 'Secondholder', given: ['Karlo'] }] }),
    });
    expect(created.status).toBe(201);
    rightPatient = `Patient/${((await created.json()) as { id: string }).id}`;

    const answer = await resolve({ action: 'link', patient: rightPatient, decidedBy: 'records office' });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ state: 'linked', patient: rightPatient, decidedBy: 'records office' });

    const report = await waitForReport(system.httpUrl, uid);
    expect(report['subject']).toEqual({ reference: rightPatient });
    await sleep(2_000);
    await publishedOnce();
    expect(await waiting()).toEqual([]);
  });

  it('stays published once when the decision is sent again, and another decision comes too late', async () => {
    const again = await resolve({ action: 'link', patient: rightPatient, decidedBy: 'records office' });
    expect([200, 409]).toContain(again.status);
    const other = await resolve({ action: 'create-patient', decidedBy: 'somebody else' });
    expect(other.status).toBe(409);
    await sleep(3_000);
    await publishedOnce();
    expect(await parked(system)).toEqual([]);
  });

  it('keeps names, identifiers and birth dates of both out of the log', () => {
    const log = system.logs();
    expect(log).toContain(uid);
    const secrets = [first, second].flatMap(({ patient }) => [
      ...patient.patientName.split('^'),
      patient.birthDate,
      patient.birthDate.replace(/^(....)(..)(..)$/, '$1-$2-$3'),
    ]);
    for (const secret of [...secrets, patientId, 'ACCESSION-ONE-1', 'ACCESSION-TWO-2', 'records office']) {
      const lines = log.split('\n').filter((line) => line.toLowerCase().includes(secret.toLowerCase()));
      expect(lines, `the log holds ${secret}`).toEqual([]);
    }
  });

  async function publishedOnce(): Promise<void> {
    const identifier = encodeURIComponent(`urn:dicom:uid|urn:oid:${uid}`);
    const studies = await fhirSearch(system.httpUrl, `ImagingStudy?identifier=${identifier}`);
    expect(studies).toHaveLength(1);
    expect(studies[0]?.['subject']).toEqual({ reference: rightPatient });
    const reports = await reportsOf(system.httpUrl, uid);
    expect(reports).toHaveLength(1);
    const mine = (await everyResource(system.httpUrl)).filter((resource) =>
      JSON.stringify([resource['subject'], resource['for']]).includes(`"${rightPatient}"`),
    );
    const count = (type: string): number => mine.filter(({ resourceType }) => resourceType === type).length;
    expect({
      ImagingStudy: count('ImagingStudy'),
      DiagnosticReport: count('DiagnosticReport'),
      Task: count('Task'),
    }).toEqual({
      ImagingStudy: 1,
      DiagnosticReport: 1,
      Task: 1,
    });
  }
});
