import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  buildVolume,
  decodeFrames,
  instanceGeometry,
  parseFile,
  selectVolumeSeries,
  type SelectableSeries,
  type Volume,
} from '@callosum/dicom';
import { describe, expect, it } from 'vitest';
import { Label, generateThoraxPhantom, tinyCt, tinySeries, type PhantomInstance, type ThoraxPhantom } from './index.js';

const parsedSeries = (instances: readonly PhantomInstance[]): SelectableSeries[] => {
  const bySeries = new Map<string, PhantomInstance[]>();
  for (const one of instances)
    bySeries.set(one.seriesInstanceUid, [...(bySeries.get(one.seriesInstanceUid) ?? []), one]);
  return [...bySeries].map(([seriesInstanceUid, members]) => {
    const headers = members.map(({ bytes }) => parseFile(bytes).dataset);
    return {
      seriesInstanceUid,
      modality: 'CT',
      bodyPartExamined: headers[0]?.string('BodyPartExamined') ?? '',
      issuedByCallosum: false,
      instances: headers.map(instanceGeometry),
    };
  });
};

/** The axial volume as the orchestrator builds it: selected by geometry, from instances as they come. */
async function volumeOf({ study }: ThoraxPhantom): Promise<Volume> {
  const chosen = selectVolumeSeries(parsedSeries(study.instances), {
    modality: 'CT',
    orientation: 'AXIAL',
    bodyParts: ['CHEST'],
  }).seriesInstanceUid;
  const slices = study.instances
    .filter(({ seriesInstanceUid }) => seriesInstanceUid === chosen)
    .map(async ({ bytes }) => {
      const file = parseFile(bytes);
      const [frame] = await decodeFrames(file);
      return { header: file.dataset, samples: frame?.samples ?? new Int16Array(0) };
    });
  return buildVolume(await Promise.all(slices));
}

/** Millilitres below -950 HU or of all voxels of one label, and where its centre lies, in LPS millimetres. */
function measure(
  { header, data }: Volume,
  labels: Uint8Array,
  label: number,
): { ml: number; lowPercent: number; centre: number[] } {
  const sums = [0, 0, 0];
  let [all, low] = [0, 0];
  labels.forEach((one, index) => {
    if (one !== label) return;
    all++;
    if ((data[index] ?? 0) < -950) low++;
    const i = index % header.columns;
    const j = Math.floor(index / header.columns) % header.rows;
    const k = Math.floor(index / (header.columns * header.rows));
    for (const axis of [0, 1, 2]) {
      const [a = 0, b = 0, c = 0, d = 0] = header.affine.slice(axis * 4, axis * 4 + 4);
      sums[axis] = (sums[axis] ?? 0) + a * i + b * j + c * k + d;
    }
  });
  const [x = 0, y = 0, z = 0] = header.spacingMm;
  return { ml: (all * x * y * z) / 1000, lowPercent: (100 * low) / all, centre: sums.map((sum) => sum / all) };
}

const small = { slices: 36, matrix: 128 };

describe('the thorax phantom', () => {
  it('is the same bytes for the same options, and another study for another salt or seed', () => {
    const one = generateThoraxPhantom(small);
    expect(
      generateThoraxPhantom(small).study.instances.map(({ bytes }) => Buffer.from(bytes).toString('base64')),
    ).toEqual(one.study.instances.map(({ bytes }) => Buffer.from(bytes).toString('base64')));
    const uids = [
      one,
      generateThoraxPhantom({ ...small, uidSalt: 'b' }),
      generateThoraxPhantom({ ...small, seed: 2 }),
    ].map(({ study }) => study.studyInstanceUid);
    expect(new Set(uids).size).toBe(3);
    const all = one.study.instances.map(({ sopInstanceUid }) => sopInstanceUid);
    expect(new Set(all).size).toBe(all.length);
  });

  it('shows lung on at least 60 of its slices and is made in seconds, also on a busy machine', () => {
    const started = Date.now();
    const { truth } = generateThoraxPhantom();
    expect(Date.now() - started).toBeLessThan(10_000);
    const perSlice = truth.columns * truth.rows;
    const withLung = Array.from({ length: truth.slices }, (_, k) =>
      truth.labels.subarray(k * perSlice, (k + 1) * perSlice),
    ).filter((slice) => slice.includes(Label.rightLung) && slice.includes(Label.leftLung));
    expect(withLung.length).toBeGreaterThanOrEqual(60);
    expect(truth.right.volumeMl).toBeGreaterThan(truth.left.volumeMl * 1.15);
    expect(truth.both.laa950Percent).toBeGreaterThan(2);
    expect(truth.both.laa950Percent).toBeLessThan(15);
  });

  it.each([
    ['head first', { patientPosition: 'HFS', shuffled: false }],
    ['head first, shuffled', { patientPosition: 'HFS', shuffled: true }],
    ['feet first, shuffled', { patientPosition: 'FFS', shuffled: true }],
  ] as const)(
    '%s: the axial series is chosen, right is right, and the truth lies on its grid',
    async (_name, options) => {
      const phantom = generateThoraxPhantom({ ...small, ...options });
      const { truth, study } = phantom;
      const volume = await volumeOf(phantom);
      expect(
        volume.header.sopInstanceUids.every((uid) =>
          study.instances.some((one) => one.sopInstanceUid === uid && one.seriesInstanceUid === study.axialSeriesUid),
        ),
      ).toBe(true);
      expect(volume.header).toMatchObject({
        columns: 128,
        rows: 128,
        slices: 36,
        irregularities: [],
        patientPosition: options.patientPosition,
      });
      const [right, left] = [
        measure(volume, truth.labels, Label.rightLung),
        measure(volume, truth.labels, Label.leftLung),
      ];
      expect(right.centre[0]).toBeLessThan(-40);
      expect(left.centre[0]).toBeGreaterThan(40);
      expect(right.ml).toBeCloseTo(truth.right.volumeMl, 6);
      expect(left.ml).toBeCloseTo(truth.left.volumeMl, 6);
      // Only where labels and Hounsfield units are aligned voxel by voxel.
      expect(right.lowPercent).toBeCloseTo(truth.right.laa950Percent, 9);
      expect(left.lowPercent).toBeCloseTo(truth.left.laa950Percent, 9);
      expect(measure(volume, truth.labels, Label.airway).lowPercent).toBeGreaterThan(95);
    },
  );

  it('says why localizer and coronal reconstruction are not chosen', () => {
    const { study } = generateThoraxPhantom(small);
    const { seriesInstanceUid, verdicts } = selectVolumeSeries(parsedSeries(study.instances), {
      modality: 'CT',
      orientation: 'AXIAL',
    });
    expect(seriesInstanceUid).toBe(study.axialSeriesUid);
    const reasons = new Map(verdicts.map((verdict) => [verdict.seriesInstanceUid, verdict.reasons]));
    expect(reasons.get(study.localizerSeriesUid)).toEqual(['localizer-image-type', 'orientation']);
    expect(reasons.get(study.coronalSeriesUid)).toEqual(['orientation']);
  });

  const hasDciodvfy = spawnSync('dciodvfy', ['-version']).error === undefined;
  it.skipIf(!hasDciodvfy)('passes dciodvfy without an error (dicom3tools: apt-get install dicom3tools)', () => {
    const { study } = generateThoraxPhantom({ slices: 6, matrix: 64 });
    const folder = mkdtempSync(join(tmpdir(), 'phantom-'));
    try {
      for (const uid of [study.localizerSeriesUid, study.axialSeriesUid, study.coronalSeriesUid]) {
        const one = study.instances.find(({ seriesInstanceUid }) => seriesInstanceUid === uid);
        const path = join(folder, `${one?.fileName ?? 'none'}`);
        writeFileSync(path, one?.bytes ?? new Uint8Array(0));
        const { stderr, stdout } = spawnSync('dciodvfy', [path], { encoding: 'utf8' });
        expect(`${stdout}${stderr}`).toContain('CTImage');
        expect(`${stdout}${stderr}`).not.toMatch(/^Error/m);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('tiny CT', () => {
  it('takes attributes by keyword and leaves out what is undefined', () => {
    const tiny = tinyCt({ PatientID: 'P2', PatientBirthDate: undefined, Rows: 4 }, 7);
    const file = parseFile(tiny.bytes);
    expect(file.dataset.string('PatientID')).toBe('P2');
    expect(file.dataset.has('PatientBirthDate')).toBe(false);
    expect(file.dataset.bytes('PixelData')?.length).toBe(64);
    expect(tiny.sopInstanceUid).toBe(file.dataset.string('SOPInstanceUID'));
  });

  it('makes a series that is a volume', () => {
    const headers = tinySeries({ slices: 5, salt: 'x' }).map(({ bytes }) => parseFile(bytes).dataset);
    const seriesInstanceUid = headers[0]?.string('SeriesInstanceUID') ?? '';
    const series = {
      seriesInstanceUid,
      modality: 'CT',
      bodyPartExamined: 'CHEST',
      issuedByCallosum: false,
      instances: headers.map(instanceGeometry),
    };
    expect(selectVolumeSeries([series], { modality: 'CT', orientation: 'AXIAL' }).seriesInstanceUid).toBe(
      seriesInstanceUid,
    );
  });
});
