import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { rejectionNote } from '@callosum/phantom';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { keptCount, parked, query } from './harness/database.js';
import { eventually, fhirGet, imagingStudyOf, reportsOf, waitForReport } from './harness/fhir.js';
import { newFolder } from './harness/paths.js';
import { instancesOf, send, smallPhantom, storescu } from './harness/studies.js';

const patientId = 'E2E-LETGO-1';
const patient = { patientId, patientName: 'LETGO^IDA', birthDate: '19610412', sex: 'F' } as const;
const phantom = smallPhantom({ uidSalt: 'keep-or-let-go', patient });
const uid = phantom.studyInstanceUid;
const axial = phantom.instances.filter(({ seriesInstanceUid }) => seriesInstanceUid === phantom.axialSeriesUid);

interface Status {
  readonly shown: number;
  readonly hidden: number;
  readonly rejected: number;
  readonly erased: number;
  readonly legalHold?: { readonly actor: string };
}

/** A study is published, rejected for patient safety, deleted by mistake, restored, deleted again and held for a court. */
describe('what a site lets go of', () => {
  let system: Callosum;
  let reportId: string;

  const api = async (method: string, path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${system.httpUrl}/api/imaging/studies/${path}`, { method, headers });
    return {
      status: response.status,
      etag: response.headers.get('etag') ?? '',
      body: (await response.json()) as Status,
    };
  };
  const shown = async (): Promise<string[]> => (await instancesOf(system.httpUrl, uid)).map((one) => one.modality);
  const retrieved = async (): Promise<number> => {
    const [slice] = axial;
    const path = `studies/${uid}/series/${phantom.axialSeriesUid}/instances/${slice?.sopInstanceUid ?? ''}`;
    const accept = 'multipart/related; type="application/dicom"; transfer-syntax=*';
    const response = await fetch(`${system.httpUrl}/dicom-web/${path}`, { headers: { accept } });
    await response.arrayBuffer();
    return response.status;
  };
  const report = (status: string) =>
    eventually(`the report is ${status}`, 60_000, async () => {
      const now = await fhirGet(system.httpUrl, `DiagnosticReport/${reportId}`);
      return now['status'] === status && now;
    });

  beforeAll(async () => {
    // What a person deletes is due at once: that it stays is the doing of a legal hold.
    system = await Callosum.start('keep-or-let-go', { env: { CALLOSUM_ERASURE_GRACE_HOURS: '0' } });
    await send(system, phantom);
    reportId = (await waitForReport(system.httpUrl, uid)).id;
  });
  afterAll(() => system.stop());

  it('a rejection note hides its images and takes back the report that stands on them', async () => {
    const references = axial.map(({ seriesInstanceUid, sopInstanceUid }) => ({ seriesInstanceUid, sopInstanceUid }));
    const { patientName: PatientName, birthDate: PatientBirthDate, sex: PatientSex } = patient;
    const note = {
      studyInstanceUid: uid,
      patientId,
      patient: { PatientName, PatientBirthDate, PatientSex },
      references,
    };
    const { bytes } = rejectionNote(note);
    const path = join(newFolder('note'), 'note.dcm');
    writeFileSync(path, bytes);
    const { code, stderr } = await storescu(system, [path]);
    expect(code, stderr).toBe(0);
    await report('entered-in-error');
    expect(await retrieved()).toBe(404);
    // The note is kept and found; what Callosum made of the rejected images is not.
    const modalities = await eventually('SEG and SR are hidden', 30_000, async () => {
      const now = await shown();
      return !now.includes('SEG') && !now.includes('SR') && now;
    });
    expect(modalities).toContain('KO');
    expect(modalities).toHaveLength(phantom.instances.length - axial.length + 1);
    // Sent again, they are acknowledged and stay hidden.
    await send(system, { instances: axial });
    expect(await retrieved()).toBe(404);
    expect(await keptCount(system, uid)).toBe(phantom.instances.length + 3);
  });

  it('a study that somebody deletes by mistake comes back without what the note hid', async () => {
    // Nothing of it is due to be erased in between.
    expect((await api('PUT', `${uid}/legal-hold`)).status).toBe(200);
    expect(await api('DELETE', uid)).toMatchObject({ status: 200, body: { shown: 0, rejected: axial.length } });
    await eventually('nothing of the study is found', 30_000, async () => (await shown()).length === 0);
    expect(await api('POST', `${uid}/restore`)).toMatchObject({
      status: 200,
      body: { shown: phantom.instances.length - axial.length + 1, hidden: axial.length + 2, rejected: axial.length },
    });
    const modalities = await eventually('the others are found again', 30_000, async () => {
      const now = await shown();
      return now.length === phantom.instances.length - axial.length + 1 && now;
    });
    expect(modalities).toContain('KO');
    for (const modality of ['SEG', 'SR']) expect(modalities).not.toContain(modality);
    expect(await retrieved()).toBe(404);
    await report('entered-in-error');
    // Nobody but the note hides them now, and nobody named them.
    expect((await api('POST', `${uid}/restore`)).status).toBe(409);
    expect((await api('POST', `${uid}/series/${phantom.axialSeriesUid}/restore`)).status).toBe(409);
    expect((await api('DELETE', `${uid}/legal-hold`)).status).toBe(200);
  });

  it('a person takes the note back by name: the images are there again, and so is the same report', async () => {
    expect((await api('POST', `${uid}/restore?reason=person`)).status).toBe(400);
    expect(await api('POST', `${uid}/restore?reason=rejected`)).toMatchObject({
      status: 200,
      body: { hidden: 0, rejected: 0 },
    });
    await report('preliminary');
    expect(await retrieved()).toBe(200);
    expect(await reportsOf(system.httpUrl, uid)).toHaveLength(1);
    await eventually('SEG and SR are found again', 30_000, async () => {
      const modalities = await shown();
      return modalities.includes('SEG') && modalities.includes('SR');
    });
  });

  it('a deletion leaves nothing to be seen, needs the state it was decided on, and obeys a legal hold', async () => {
    const before = await api('GET', `${uid}/tombstones`);
    expect(await api('PUT', `${uid}/legal-hold`)).toMatchObject({ status: 200, body: { legalHold: {} } });
    expect((await api('DELETE', uid, { 'if-match': before.etag })).status).toBe(412);
    const deleted = await api('DELETE', uid);
    expect(deleted).toMatchObject({ status: 200, body: { shown: 0, erased: 0, legalHold: {} } });
    await eventually('nothing of the study is found', 30_000, async () => (await shown()).length === 0);
    expect(await retrieved()).toBe(404);
    await report('entered-in-error');
    await eventually('the ImagingStudy is cancelled', 30_000, async () => {
      return (await imagingStudyOf(system.httpUrl, uid))?.['status'] === 'cancelled';
    });
    expect((await api('DELETE', '1.2.3.4')).status).toBe(404);
    expect((await api('DELETE', 'nonsense')).status).toBe(400);
  });

  it('leaves no work behind, and nobody in the log', async () => {
    expect(await parked(system)).toEqual([]);
    const waiting = `select state from result_publisher.publication where state in ('due', 'waiting', 'parked')`;
    await eventually(
      'nothing is tried again and again',
      30_000,
      async () => (await query(system, waiting)).length === 0,
    );
    for (const said of [patientId, 'LETGO^IDA', '19610412']) expect(system.logs()).not.toContain(said);
  });

  it('erases what is deleted, of a study without a legal hold', async () => {
    const other = smallPhantom({ uidSalt: 'keep-or-let-go, not held', patient });
    await send(system, other);
    const { status, body } = await api('DELETE', other.studyInstanceUid);
    expect([status, body.hidden]).toEqual([200, other.instances.length]);
    // The first turn of what erases comes a minute after a start, the next ones each hour.
    await system.stop();
    await system.boot();
    await eventually('the other study is erased', 150_000, async () => {
      const { hidden, erased } = (await api('GET', `${other.studyInstanceUid}/tombstones`)).body;
      return hidden === 0 && erased === other.instances.length;
    });
    const held = (await api('GET', `${uid}/tombstones`)).body;
    expect(held).toMatchObject({ shown: 0, erased: 0, legalHold: {} });
    expect(held.hidden).toBeGreaterThanOrEqual(phantom.instances.length);
  });
});
