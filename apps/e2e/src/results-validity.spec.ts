import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { parseFile } from '@callosum/dicom';
import { generateThoraxPhantom, type ThoraxPhantom } from '@callosum/phantom';
import { testDataPath } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { asStored, wadoFolder, wadoParts } from './harness/dicomweb.js';
import { eventually, everyResource, type FhirResource, waitForReport } from './harness/fhir.js';
import { newFolder, python, root } from './harness/paths.js';
import { run } from './harness/processes.js';
import { instancesOf, send, storescu } from './harness/studies.js';
import { expectValid } from './harness/validator.js';

interface Segment {
  readonly label: string;
  readonly type: string;
  readonly modifiers: readonly string[];
  readonly algorithm: string;
  readonly centroid: readonly [number, number, number];
  readonly dice: { readonly right: number; readonly left: number };
}

interface Judgement {
  readonly segments: readonly Segment[];
  readonly framesLieWhereTheirSourcesDo: boolean;
  readonly sameFrameOfReference: boolean;
  readonly measurementGroups: number;
  readonly measurements: readonly {
    readonly name: string;
    readonly value: number;
    readonly unit: string;
    readonly unitScheme: string;
  }[];
  readonly texts: readonly string[];
  readonly patient: { readonly seg: readonly string[]; readonly sr: readonly string[] };
  readonly referenceDice?: number;
}

interface Results {
  readonly seg: string;
  readonly sr: string;
  readonly source: string;
}

/** SEG and SR of a study as files, and the folder of the series they are about. */
async function retrieveResults(httpUrl: string, study: string, sourceSeries: string): Promise<Results> {
  const found = await eventually('SEG and SR in QIDO', 30_000, async () => {
    const instances = await instancesOf(httpUrl, study);
    const of = (modality: string) => instances.filter((instance) => instance.modality === modality);
    return of('SEG').length > 0 && of('SR').length > 0 && { seg: of('SEG'), sr: of('SR') };
  });
  expect(found.seg).toHaveLength(1);
  expect(found.sr).toHaveLength(1);
  const folder = newFolder('results');
  const fetched = async ([instance]: typeof found.seg, name: string): Promise<string> => {
    const path = `studies/${study}/series/${instance?.seriesInstanceUid ?? ''}/instances/${instance?.sopInstanceUid ?? ''}`;
    const [part] = await wadoParts(httpUrl, path, asStored);
    const file = join(folder, name);
    writeFileSync(file, part?.bytes ?? new Uint8Array());
    return file;
  };
  return {
    seg: await fetched(found.seg, 'seg.dcm'),
    sr: await fetched(found.sr, 'sr.dcm'),
    source: await wadoFolder(httpUrl, `studies/${study}/series/${sourceSeries}`),
  };
}

async function judge({ seg, sr, source }: Results, ...options: readonly string[]): Promise<Judgement> {
  const script = join(root, 'apps/e2e/peers/judge_results.py');
  const { code, stdout, stderr } = await run(python, [script, seg, sr, source, ...options]);
  if (code !== 0) throw new Error(`${python} judge_results.py: ${code} ${stderr.slice(-3000)}`);
  return JSON.parse(stdout) as Judgement;
}

/** Errors of dicom3tools' validator; warnings are its opinions. */
async function dciodvfyErrors(file: string): Promise<string[]> {
  const { stdout, stderr } = await run('dciodvfy', [file]);
  const lines = `${stdout}\n${stderr}`.split('\n');
  // It names the object it took the file for: otherwise it did not run.
  expect(lines.some((line) => /Segmentation|SR/i.test(line))).toBe(true);
  return lines.filter((line) => line.startsWith('Error'));
}

/** The truth on the pixels of each source instance, found by its position along the patient. */
function truthFile({ study, truth }: ThoraxPhantom): string {
  const axial = study.instances
    .filter(({ seriesInstanceUid }) => seriesInstanceUid === study.axialSeriesUid)
    .map(({ bytes, sopInstanceUid }) => {
      const { dataset } = parseFile(bytes);
      const orientation = dataset.numbers('ImageOrientationPatient');
      const [rx = 0, ry = 0, , cx = 0, cy = 0] = orientation;
      const z = dataset.numbers('ImagePositionPatient')[2] ?? 0;
      // Along row × column: to the head for HFS, to the feet for FFS. The truth is in that order too.
      return { sopInstanceUid, along: z * (rx * cy - ry * cx) };
    })
    .sort((a, b) => a.along - b.along);
  const plane = truth.columns * truth.rows;
  expect(axial).toHaveLength(truth.slices);
  const planes = axial.map(({ sopInstanceUid }, k) => [
    sopInstanceUid,
    Buffer.from(truth.labels.subarray(k * plane, (k + 1) * plane)).toString('base64'),
  ]);
  const file = join(newFolder('truth'), 'truth.json');
  writeFileSync(file, JSON.stringify(Object.fromEntries(planes)));
  return file;
}

const volumesMl = ({ measurements }: Judgement): number[] =>
  measurements.filter(({ unit }) => unit === 'mL' || unit === 'ml').map(({ value }) => value);

/** The one of the values that comes nearest to the truth, as a ratio to it. */
const nearest = (values: readonly number[], truth: number): number =>
  Math.min(...values.map((value) => Math.abs(value / truth - 1)));

const phantoms = [
  { name: 'head first', options: { uidSalt: 'validity' } },
  {
    name: 'feet first, slices shuffled',
    options: {
      uidSalt: 'validity',
      patientPosition: 'FFS' as const,
      shuffled: true,
      seed: 2,
      patient: { patientId: 'PHANTOM-FFS', patientName: 'PHANTOM^FEETFIRST', birthDate: '19490103' },
    },
  },
];

describe('results that other tools read', () => {
  let system: Callosum;
  beforeAll(async () => {
    system = await Callosum.start('validity');
  });
  afterAll(() => system.stop());

  describe.each(phantoms)('of a phantom, $name', ({ options }) => {
    let phantom: ThoraxPhantom;
    let results: Results;
    let judgement: Judgement;

    beforeAll(async () => {
      phantom = generateThoraxPhantom(options);
      await send(system, phantom.study);
      const { studyInstanceUid, axialSeriesUid } = phantom.study;
      await waitForReport(system.httpUrl, studyInstanceUid, 200_000);
      results = await retrieveResults(system.httpUrl, studyInstanceUid, axialSeriesUid);
      judgement = await judge(results, '--truth', truthFile(phantom));
    });

    it('are valid to dciodvfy', async () => {
      expect(await dciodvfyErrors(results.seg)).toEqual([]);
      expect(await dciodvfyErrors(results.sr)).toEqual([]);
    });

    it('lie where the source images do', () => {
      expect(judgement.framesLieWhereTheirSourcesDo).toBe(true);
      expect(judgement.sameFrameOfReference).toBe(true);
    });

    it('call left what is left', () => {
      const [left] = judgement.segments.filter(({ label }) => /left/i.test(label));
      const [right] = judgement.segments.filter(({ label }) => /right/i.test(label));
      expect(judgement.segments).toHaveLength(2);
      // LPS: x grows to the patient's left.
      expect(left?.centroid[0]).toBeGreaterThan(20);
      expect(right?.centroid[0]).toBeLessThan(-20);
      expect(left?.dice.left).toBeGreaterThanOrEqual(0.9);
      expect(left?.dice.right).toBeLessThan(0.05);
      expect(right?.dice.right).toBeGreaterThanOrEqual(0.9);
      // SNOMED CT: lung, or left and right lung; laterality by modifier where the code does not say it.
      expect(JSON.stringify([left?.type, left?.modifiers])).not.toBe(JSON.stringify([right?.type, right?.modifiers]));
      expect(
        judgement.segments.every(({ type, algorithm }) => type.startsWith('SCT:') && algorithm === 'AUTOMATIC'),
      ).toBe(true);
    });

    it('measure in units of UCUM, within 3 % of the truth', () => {
      expect(judgement.measurementGroups).toBeGreaterThanOrEqual(1);
      expect(judgement.measurements.length).toBeGreaterThanOrEqual(6);
      expect([...new Set(judgement.measurements.map(({ unitScheme }) => unitScheme))]).toEqual(['UCUM']);
      const volumes = volumesMl(judgement);
      for (const truth of [phantom.truth.left, phantom.truth.right, phantom.truth.both]) {
        expect(nearest(volumes, truth.volumeMl)).toBeLessThan(0.03);
      }
    });

    it('are of the patient of the source', () => {
      const { patientId, patientName } = phantom.study.patient;
      expect(judgement.patient).toEqual({ seg: [patientId, patientName], sr: [patientId, patientName] });
    });
  });

  const ct = testDataPath('studies', 'ct-chest');
  const reference = testDataPath('results', 'reference-highdicom', 'seg-lungs-binary.dcm');
  describe.skipIf(ct === undefined || reference === undefined)('of a real CT whose lungs are cut off', () => {
    const study = '1.3.6.1.4.1.14519.5.2.1.7009.2401.261058972203239872300904424809';
    const series = '1.3.6.1.4.1.14519.5.2.1.7009.2401.288170261001662679765839634982';
    let report: FhirResource;
    let results: Results;
    let judgement: Judgement;

    beforeAll(async () => {
      expect((await storescu(system, [ct ?? ''])).code).toBe(0);
      report = await waitForReport(system.httpUrl, study, 200_000);
      results = await retrieveResults(system.httpUrl, study, series);
      judgement = await judge(results, '--reference', reference ?? '');
    });

    it('agree with the reference segmentation', () => {
      expect(judgement.referenceDice).toBeGreaterThanOrEqual(0.9);
      expect(judgement.framesLieWhereTheirSourcesDo).toBe(true);
    });

    it('warn in SR and report', () => {
      expect(judgement.texts.filter((text) => /cut off/i.test(text))).not.toEqual([]);
      expect(String(report['conclusion'])).toMatch(/cut off/i);
    });

    it('are valid to dciodvfy, though the source is not: its Clinical Trial Subject ID (Type 1C) is empty', async () => {
      expect(await dciodvfyErrors(results.seg)).toEqual([]);
      expect(await dciodvfyErrors(results.sr)).toEqual([]);
    });
  });

  it('and FHIR that the HAPI validator accepts, every resource', async () => {
    const resources = await everyResource(system.httpUrl);
    const types = new Set(resources.map(({ resourceType }) => resourceType));
    for (const type of [
      'Patient',
      'ImagingStudy',
      'Endpoint',
      'DiagnosticReport',
      'Observation',
      'Task',
      'Device',
      'Provenance',
    ]) {
      expect([...types]).toContain(type);
    }
    await expectValid(resources);
  });
});
