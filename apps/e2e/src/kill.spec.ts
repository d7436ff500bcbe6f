import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { type PhantomStudy, randomOf } from '@callosum/phantom';

import { Callosum } from './harness/callosum.js';
import { factCount, keptCount, parked } from './harness/database.js';
import { fhirGet, fhirSearch, reportsOf, waitForReport } from './harness/fhir.js';
import { instancesOf, send, smallPhantom } from './harness/studies.js';

const seed = Number(process.env['CALLOSUM_SEED'] ?? 20261122);
const kills = Number(process.env['CALLOSUM_KILLS'] ?? 10);

/** A way that was shorter than the calm one is cut this much earlier, on another study. */
const earlier = 0.6;

/**
 * kill -9 of the services, the database server and the worker between the acknowledgement and the report. What was
 * acknowledged is published, once, whatever was under way.
 */
describe(`${kills} times kill -9 of everything between acknowledgement and report (CALLOSUM_SEED=${seed})`, () => {
  const random = randomOf(seed);
  const sent: PhantomStudy[] = [];
  /** Sends another study, and resolves when it is acknowledged. */
  const sendNext = async (): Promise<PhantomStudy> => {
    const number = sent.length;
    const patient = { patientId: `E2E-KILL-${number}`, patientName: `KILL^NUMBER ${number}` };
    const study = smallPhantom({ uidSalt: `kill-${seed}-${number}`, patient });
    sent.push(study);
    await send(system, study);
    return study;
  };
  let system: Callosum;
  let wholeWayMs = 0;

  beforeAll(async () => {
    process.stdout.write(`CALLOSUM_SEED=${seed} CALLOSUM_KILLS=${kills}\n`);
    system = await Callosum.start('kill');
    // How long it takes undisturbed: kills are spread over that time. The first way is longer: everything is loaded on it.
    for (let calm = 0; calm < 2; calm++) {
      const { studyInstanceUid } = await sendNext();
      const acknowledged = Date.now();
      await waitForReport(system.httpUrl, studyInstanceUid);
      wholeWayMs = Date.now() - acknowledged;
    }
  });
  afterAll(() => system.stop());

  it('publishes each acknowledged study', async () => {
    for (let i = 0; i < kills; i++) {
      // One kill in each tenth of the way, at a random moment of it.
      let killAfterMs = Math.floor(((i + random()) / kills) * wholeWayMs);
      for (let reported = true; reported; killAfterMs = Math.floor(killAfterMs * earlier)) {
        const { studyInstanceUid } = await sendNext();
        await sleep(killAfterMs);
        reported = (await reportsOf(system.httpUrl, studyInstanceUid)).length > 0;
        process.stdout.write(`kill ${i + 1}: ${killAfterMs} ms, report ${reported ? 'there: earlier' : 'not yet'}\n`);
      }
      await system.killAll();
      await system.boot();
    }
    for (const { studyInstanceUid } of sent) await waitForReport(system.httpUrl, studyInstanceUid);
    // Four minutes alone on two cores; another system runs beside it.
  }, 1_200_000);

  it('publishes nothing twice and parks nothing', async () => {
    // Whatever would do it again has had the time: leases of the killed run out within 10 s.
    await sleep(12_000);
    for (const { studyInstanceUid: uid, instances } of sent) {
      const reports = await reportsOf(system.httpUrl, uid);
      expect(reports).toHaveLength(1);
      const history = await fhirGet<{ total?: number }>(system.httpUrl, `DiagnosticReport/${reports[0]?.id}/_history`);
      expect(history.total, 'versions of the report').toBe(1);
      const identifier = encodeURIComponent(`urn:dicom:uid|urn:oid:${uid}`);
      expect(await fhirSearch(system.httpUrl, `ImagingStudy?identifier=${identifier}`)).toHaveLength(1);
      const modalities = (await instancesOf(system.httpUrl, uid)).map(({ modality }) => modality);
      expect(modalities.filter((modality) => modality === 'CT')).toHaveLength(instances.length);
      expect(modalities.filter((modality) => modality !== 'CT').sort()).toEqual(['SEG', 'SR']);
      expect(await keptCount(system, uid)).toBe(instances.length + 2);
      expect(await factCount(system, 'inference.job.scheduled.v1', uid)).toBe(1);
      expect(await factCount(system, 'inference.job.failed.v1', uid)).toBe(0);
    }
    const waiting = (await (await fetch(`${system.httpUrl}/api/identity/quarantine`)).json()) as {
      decisions: unknown[];
    };
    expect(waiting.decisions).toEqual([]);
    expect(await parked(system)).toEqual([]);
  });
});
