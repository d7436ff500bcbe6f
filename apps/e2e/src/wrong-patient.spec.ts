import { setTimeout as sleep } from 'node:timers/promises';

import { parseFile } from '@callosum/dicom';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { factCount, parked, query } from './harness/database.js';
import {
  everyResource,
  eventually,
  type FhirResource,
  fhirGet,
  fhirSearch,
  imagingStudyOf,
  reportsOf,
  waitForReport,
} from './harness/fhir.js';
import { instancesOf, retrieve, send, smallPhantom } from './harness/studies.js';
import { expectValid } from './harness/validator.js';

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
    expect(again.status).toBe(200);
    expect(await again.json()).toMatchObject({ state: 'linked', patient: rightPatient, decidedBy: 'records office' });
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

const owner = { patientId: 'E2E-4712-1', patientName: 'FORMER^ANNA', birthDate: '19600203', sex: 'F' } as const;
const stranger = { patientId: 'E2E-4712-2', patientName: 'STRANGER^BODO', birthDate: '19410506', sex: 'M' } as const;
/** The same objects, as a PACS sends them after somebody put them under another Patient ID: no pixel differs. */
const moved = (patientId: string) => smallPhantom({ uidSalt: 'withdrawn', patient: { ...owner, patientId } });

/** A study whose identity is put in question, and corrected, after all of it had been published. */
describe('a study that turns out to be somebody else’s after publication', () => {
  const original = moved(owner.patientId);
  const study = original.studyInstanceUid;
  const corrected = moved(stranger.patientId);
  let system: Callosum;
  let formerPatient: string;
  let rightful: string;
  let published: FhirResource[];
  let resultsBefore: string[];

  const isOfPatient = ({ resourceType }: FhirResource): boolean =>
    ['ImagingStudy', 'DiagnosticReport', 'Observation', 'Task'].includes(resourceType);
  const asTheyAreNow = (): Promise<FhirResource[]> =>
    Promise.all(published.map(({ resourceType, id }) => fhirGet(system.httpUrl, `${resourceType}/${id}`)));
  const statuses = (resources: readonly FhirResource[]) => resources.map(({ status }) => status);
  const statusesOfTypes = (resources: readonly FhirResource[]): string[] =>
    resources.map(({ resourceType, status }) => `${resourceType} ${String(status)}`).sort();
  /** SEG and SR the ImagingStudy names. */
  const resultsInFhir = async (): Promise<string[]> => {
    const found = (await imagingStudyOf(system.httpUrl, study))?.['series'] as
      { modality: { code: string }; instance: { uid: string }[] }[] | undefined;
    return (found ?? [])
      .filter(({ modality }) => modality.code !== 'CT')
      .flatMap(({ instance }) => instance.map(({ uid: one }) => one));
  };

  beforeAll(async () => {
    system = await Callosum.start('withdrawn');
    await send(system, smallPhantom({ uidSalt: 'withdrawn-stranger', patient: stranger }));
    // Two slices come late: the first job is superseded by one that reads them too, and leaves a Task behind.
    const late = original.instances.filter(({ seriesInstanceUid }) => seriesInstanceUid === original.axialSeriesUid);
    const lateUids = new Set(late.slice(-2).map(({ sopInstanceUid }) => sopInstanceUid));
    const early = original.instances.filter(({ sopInstanceUid }) => !lateUids.has(sopInstanceUid));
    await send(system, { instances: early });
    await waitForReport(system.httpUrl, study);
    await send(system, { instances: late.slice(-2) });
    await eventually('both jobs are published', 120_000, async () => {
      const tasks = await fhirSearch(system.httpUrl, 'Task?_count=100');
      const id = (await imagingStudyOf(system.httpUrl, study))?.id ?? '';
      return tasks.filter((task) => JSON.stringify(task['focus']).includes(id)).length === 2 && id;
    });
    await sleep(3_000);
    const imagingStudy = await imagingStudyOf(system.httpUrl, study);
    formerPatient = (imagingStudy?.['subject'] as { reference: string }).reference;
    published = (await everyResource(system.httpUrl)).filter(
      (resource) =>
        isOfPatient(resource) && JSON.stringify([resource['subject'], resource['for']]).includes(`"${formerPatient}"`),
    );
    resultsBefore = await resultsInFhir();
  });
  afterAll(() => system.stop());

  it('was published whole, with a superseded job’s Task beside the one that stands', () => {
    const count = (type: string): number => published.filter(({ resourceType }) => resourceType === type).length;
    expect([count('ImagingStudy'), count('DiagnosticReport'), count('Task')]).toEqual([1, 1, 2]);
    expect(count('Observation')).toBeGreaterThanOrEqual(6);
    expect(resultsBefore).toHaveLength(2);
  });

  it('is withdrawn once it is in question: entered-in-error, and nothing of its findings is left', async () => {
    // Under the stranger's Patient ID, with the owner's name and birth date.
    await send(system, corrected);
    const now = await eventually('everything is withdrawn', 60_000, async () => {
      const current = await asTheyAreNow();
      return statuses(current).every((status) => status === 'entered-in-error') && current;
    });
    const text = JSON.stringify(now);
    expect(text).not.toMatch(/valueQuantity|valueCodeableConcept|conclusion|"series"|"output"/);
    expect(await resultsInFhir()).toEqual([]);
    expect(new Set(now.map((resource) => JSON.stringify(resource['subject'] ?? resource['for'])))).toEqual(
      new Set([JSON.stringify({ reference: formerPatient })]),
    );
    await expectValid(await everyResource(system.httpUrl));
  });

  it('comes back once under the Patient a person chose, and nothing of it stays under the former one', async () => {
    const open = await eventually('it waits for a person', 60_000, async () => {
      const response = await fetch(`${system.httpUrl}/api/identity/quarantine`);
      const { decisions } = (await response.json()) as { decisions: Decision[] };
      return decisions.find(
        (one) => one.studyInstanceUid === study && one.reasons?.includes('birth-date-contradicts') === true,
      );
    });
    const created = await fetch(`${system.httpUrl}/fhir/Patient`, {
      method: 'POST',
      headers: { 'content-type': 'application/fhir+json' },
      body: JSON.stringify({ resourceType: 'Patient', name: [{ family: 'Rightful' }] }),
    });
    rightful = `Patient/${((await created.json()) as { id: string }).id}`;
    const answer = await fetch(`${system.httpUrl}/api/identity/quarantine/${open.decisionId}/resolve`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ action: 'link', patient: rightful, decidedBy: 'records office' }),
    });
    expect(answer.status).toBe(200);
    await eventually('it is published again', 60_000, async () => {
      return (
        (await asTheyAreNow()).every(({ status }) => status !== 'entered-in-error') &&
        (await resultsInFhir()).length === 2
      );
    });
    await sleep(3_000);
    const now = await asTheyAreNow();
    expect(statusesOfTypes(now)).toEqual(statusesOfTypes(published));
    const all = await everyResource(system.httpUrl);
    expect(all.filter((resource) => JSON.stringify(resource).includes(`"${formerPatient}"`))).toEqual([]);
    const rightfuls = all.filter((resource) => JSON.stringify(resource).includes(`"${rightful}"`));
    expect(rightfuls.map(({ id }) => id).sort()).toEqual(published.map(({ id }) => id).sort());
    // What the Provenance of every job speaks of is the rightful Patient's now.
    const ids = new Set(rightfuls.map(({ resourceType, id }) => `${resourceType}/${id}`));
    const targets = all
      .filter(({ resourceType }) => resourceType === 'Provenance')
      .map((provenance) => (provenance['target'] as { reference: string }[]).map(({ reference }) => reference));
    const ours = targets.filter((references) => references.some((reference) => ids.has(reference)));
    expect(ours.length).toBeGreaterThanOrEqual(3);
    expect(ours.flat().filter((reference) => !ids.has(reference))).toEqual([]);
    await expectValid(all);
  });

  it('has SEG and SR of the corrected images, which alone FHIR refers to, without a new job', async () => {
    const now = await resultsInFhir();
    expect(now.filter((uid_) => resultsBefore.includes(uid_))).toEqual([]);
    const stored = (await instancesOf(system.httpUrl, study)).filter(({ sopInstanceUid }) =>
      now.includes(sopInstanceUid),
    );
    expect(stored.map(({ modality }) => modality).sort()).toEqual(['SEG', 'SR']);
    for (const instance of stored) {
      const { dataset } = parseFile(await retrieve(system.httpUrl, study, instance));
      expect([dataset.string('PatientID'), dataset.string('PatientName')]).toEqual([
        stranger.patientId,
        owner.patientName,
      ]);
    }
    const all = JSON.stringify(await everyResource(system.httpUrl));
    for (const old of resultsBefore) expect(all).not.toContain(old);
    expect(await factCount(system, 'inference.job.scheduled.v1', study)).toBe(2);
    expect(await parked(system)).toEqual([]);
  });

  it('moves back when the correction is taken back: the objects as they first were, sent again', async () => {
    const correctedResults = await resultsInFhir();
    const subjects = (resources: readonly FhirResource[]): unknown[] =>
      resources.map((resource) => (resource['subject'] ?? resource['for']) as unknown);
    await send(system, original);
    await eventually('it is published under its former Patient', 120_000, async () => {
      const now = await asTheyAreNow();
      const results = await resultsInFhir();
      return (
        now.every(({ status }) => status !== 'entered-in-error') &&
        subjects(now).every((subject) => JSON.stringify(subject) === JSON.stringify({ reference: formerPatient })) &&
        results.length === 2 &&
        results.every((uid_) => !correctedResults.includes(uid_))
      );
    });
    await sleep(3_000);
    const now = await asTheyAreNow();
    expect(statusesOfTypes(now)).toEqual(statusesOfTypes(published));
    const all = await everyResource(system.httpUrl);
    expect(all.filter((resource) => JSON.stringify(resource).includes(`"${rightful}"`))).toEqual([]);
    // Built of the same attributes as at first, they are the same objects.
    expect((await resultsInFhir()).sort()).toEqual([...resultsBefore].sort());
    const instances = await instancesOf(system.httpUrl, study);
    const images = instances.filter(({ modality }) => modality === 'CT');
    expect(images).toHaveLength(original.instances.length);
    const results = instances.filter(({ sopInstanceUid }) => resultsBefore.includes(sopInstanceUid));
    expect(results).toHaveLength(2);
    for (const instance of [...images.slice(0, 1), ...images.slice(-1), ...results]) {
      const { dataset } = parseFile(await retrieve(system.httpUrl, study, instance));
      expect(dataset.string('PatientID')).toBe(owner.patientId);
    }
    const studies = await fetch(`${system.httpUrl}/dicom-web/studies?StudyInstanceUID=${study}`);
    expect(await studies.json()).toMatchObject([{ '00100020': { Value: [owner.patientId] } }]);
    expect(await factCount(system, 'inference.job.scheduled.v1', study)).toBe(2);
    expect(await parked(system)).toEqual([]);
  });
});

/** What the record does to the Patient of a published study, when nothing of the study itself changes. */
describe('a study whose Patient is lost after publication', () => {
  const merged = smallPhantom({
    uidSalt: 'lost-1',
    patient: { patientId: 'E2E-4713-1', patientName: 'MERGED^CLARA', birthDate: '19550607', sex: 'F' },
  });
  const deleted = smallPhantom({
    uidSalt: 'lost-2',
    patient: { patientId: 'E2E-4713-2', patientName: 'DELETED^EMIL', birthDate: '19580910', sex: 'M' },
  });
  let system: Callosum;

  type Phantom = typeof merged;
  const fhirSend = (method: string, path: string, body?: unknown): Promise<Response> =>
    fetch(`${system.httpUrl}/fhir/${path}`, {
      method,
      headers: { 'content-type': 'application/fhir+json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  /** Slices of the axial series that come late. */
  const lateOf = ({ instances, axialSeriesUid }: Phantom) =>
    instances.filter(({ seriesInstanceUid }) => seriesInstanceUid === axialSeriesUid).slice(-2);
  const of = async (patient: string): Promise<FhirResource[]> =>
    (await everyResource(system.httpUrl)).filter((resource) =>
      JSON.stringify([resource['subject'], resource['for']]).includes(`"${patient}"`),
    );
  async function publishEarly(phantom: Phantom): Promise<string> {
    const late = new Set(lateOf(phantom).map(({ sopInstanceUid }) => sopInstanceUid));
    await send(system, { instances: phantom.instances.filter(({ sopInstanceUid }) => !late.has(sopInstanceUid)) });
    const report = await waitForReport(system.httpUrl, phantom.studyInstanceUid);
    return (report['subject'] as { reference: string }).reference;
  }

  beforeAll(async () => {
    system = await Callosum.start('lost-patient');
  });
  afterAll(() => system.stop());

  it('by a merge goes to the survivor with the next series, and the one merged away keeps nothing', async () => {
    const old = await publishEarly(merged);
    // Before the merge: whatever of the study comes after it may already be with the survivor.
    const before = (await of(old)).map(({ id }) => id);
    expect(before.length).toBeGreaterThan(2);
    const created = await fhirSend('POST', 'Patient', {
      resourceType: 'Patient',
      name: [{ family: 'Merged', given: ['Clara'] }],
      birthDate: '1955-06-07',
    });
    const survivor = `Patient/${((await created.json()) as { id: string }).id}`;
    const link = [{ type: 'replaced-by', other: { reference: survivor } }];
    const merge = await fhirSend('PUT', old, { ...(await fhirGet(system.httpUrl, old)), active: false, link });
    expect(merge.status).toBe(200);

    await send(system, { instances: lateOf(merged) });
    await eventually('both jobs are under the survivor', 120_000, async () => {
      const tasks = (await of(survivor)).filter(({ resourceType }) => resourceType === 'Task');
      return tasks.length === 2;
    });
    await sleep(3_000);
    expect(await of(old)).toEqual([]);
    const now = await of(survivor);
    expect(now.map(({ id }) => id)).toEqual(expect.arrayContaining(before));
    expect(now.map(({ status }) => status)).not.toContain('entered-in-error');
    expect(await reportsOf(system.httpUrl, merged.studyInstanceUid)).toHaveLength(1);
    expect(await parked(system)).toEqual([]);
  });

  it('by a deletion is withdrawn with the next series, of which nothing is published', async () => {
    const patient = await publishEarly(deleted);
    await sleep(3_000);
    const before = await of(patient);
    expect((await fhirSend('DELETE', patient)).ok).toBe(true);
    expect((await fetch(`${system.httpUrl}/fhir/${patient}`)).status).toBe(410);

    await send(system, { instances: lateOf(deleted) });
    const waiting = await eventually('it waits for a person', 60_000, async () => {
      const response = await fetch(`${system.httpUrl}/api/identity/quarantine`);
      const { decisions } = (await response.json()) as { decisions: Decision[] };
      return decisions.find(({ studyInstanceUid }) => studyInstanceUid === deleted.studyInstanceUid);
    });
    expect(waiting.reasons).toEqual(['patient-gone']);
    await eventually('everything is withdrawn', 60_000, async () =>
      (await of(patient)).every(({ status }) => status === 'entered-in-error'),
    );
    await eventually('the late slices are analysed', 120_000, async () => {
      return (await factCount(system, 'inference.job.completed.v1', deleted.studyInstanceUid)) === 2;
    });
    await sleep(3_000);
    const after = await of(patient);
    expect(after.map(({ id }) => id).sort()).toEqual(before.map(({ id }) => id).sort());
    expect(new Set(after.map(({ status }) => status))).toEqual(new Set(['entered-in-error']));
    const all = JSON.stringify(await everyResource(system.httpUrl));
    for (const { sopInstanceUid } of deleted.instances) expect(all).not.toContain(sopInstanceUid);
    expect(await parked(system)).toEqual([]);
  });
});
