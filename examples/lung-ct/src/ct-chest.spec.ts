import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildVolume, decodeFrames, parseFile, type Volume } from '@callosum/dicom';
import { testDataPath } from '@callosum/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { analyseLungs, type LungAnalysis } from './index.js';

const study = testDataPath('studies/ct-chest') ?? '';
const reference = testDataPath('results/reference-highdicom') ?? '';

async function readVolume(folder: string): Promise<Volume> {
  const slices = readdirSync(folder).map(async (name) => {
    const file = parseFile(readFileSync(join(folder, name)));
    const [frame] = await decodeFrames(file);
    return { header: file.dataset, samples: frame?.samples ?? new Int16Array(0) };
  });
  return buildVolume(await Promise.all(slices));
}

/** Every segment of a binary SEG (PS3.3 A.51) as one mask on the grid of its source. */
function maskOfSeg(path: string, { header }: Volume): Uint8Array {
  const { dataset } = parseFile(readFileSync(path));
  const plane = header.columns * header.rows;
  const mask = new Uint8Array(plane * header.slices);
  const bits = dataset.bytes('PixelData') ?? new Uint8Array(0);
  dataset.sequence('PerFrameFunctionalGroupsSequence').forEach((frame, n) => {
    const source = frame.sequence('DerivationImageSequence')[0]?.sequence('SourceImageSequence')[0];
    const slice = header.sopInstanceUids.indexOf(source?.string('ReferencedSOPInstanceUID') ?? '');
    expect(slice).toBeGreaterThanOrEqual(0);
    for (let pixel = 0; pixel < plane; pixel++) {
      const bit = n * plane + pixel;
      if (((bits[bit >> 3] ?? 0) >> (bit & 7)) & 1) mask[slice * plane + pixel] = 1;
    }
  });
  return mask;
}

describe.skipIf(study === '' || reference === '')(
  'a real chest CT (49 slices of 512 × 512, lower chest to upper abdomen)',
  () => {
    let volume: Volume;
    let analysis: LungAnalysis;
    let coreMs = 0;
    beforeAll(async () => {
      volume = await readVolume(study);
      // Time of the processor, not of the clock: other tests may run beside this one.
      const started = process.cpuUsage();
      analysis = analyseLungs({ ...volume.header, data: volume.data });
      coreMs = process.cpuUsage(started).user / 1000;
    });

    it('agrees with the reference segmentation: Dice at least 0.90', () => {
      const mask = maskOfSeg(join(reference, 'seg-lungs-binary.dcm'), volume);
      let [both, sum] = [0, 0];
      mask.forEach((value, index) => {
        const isLung = (analysis.labelMap[index] ?? 0) > 0;
        if (isLung && value === 1) both++;
        sum += Number(isLung) + value;
      });
      expect((2 * both) / sum).toBeGreaterThanOrEqual(0.9);
    });

    it('finds the volume of the reference within 10 %', () => {
      const expected = JSON.parse(readFileSync(join(reference, 'expected.json'), 'utf8')) as {
        lung_volume_cm3: number;
      };
      expect(Math.abs((analysis.measurements.both?.volumeMl ?? 0) / expected.lung_volume_cm3 - 1)).toBeLessThan(0.1);
    });

    it('says that the lungs go on above the first slice', () => {
      expect(analysis.warnings).toEqual([
        {
          code: 'lungs-truncated',
          message: 'The lungs are cut off towards the head: volumes are of the imaged part only.',
        },
      ]);
    });

    // Read off the images by eye: slices from the head, centres in columns and rows.
    it.each([
      ['the trachea on the first slice, which cuts it', 0, 240, 274],
      ['the trachea above the carina', 1, 241, 275],
      ['the carina', 2, 241, 276],
      ['the right main bronchus', 3, 235, 277],
      ['the left main bronchus', 3, 248, 277],
      ['the left main bronchus, lower', 4, 251, 279],
    ])('leaves out %s', (_, fromHead, column, row) => {
      const { columns, rows, slices, spacingMm } = volume.header;
      const [columnMm = 0, rowMm = 0] = spacingMm;
      let [air, lung] = [0, 0];
      for (let index = 0; index < columns * rows; index++) {
        const x = ((index % columns) - column) * columnMm;
        const y = (Math.floor(index / columns) - row) * rowMm;
        if (Math.hypot(x, y) > 7) continue;
        const voxel = (slices - 1 - fromHead) * columns * rows + index;
        if ((volume.data[voxel] ?? 0) < -400) air++;
        if (analysis.labelMap[voxel] !== 0) lung++;
      }
      expect(air).toBeGreaterThan(40);
      expect(lung).toBe(0);
    });

    it('takes less than ten seconds of one core', () => {
      expect(coreMs).toBeLessThan(10_000);
    });
  },
);

const head = testDataPath('studies/ct-head-phantom/series201-axial5mm') ?? '';

describe.skipIf(head === '')('a head', () => {
  it('has no lungs: a warning, an empty mask and no measurements', async () => {
    const { header, data } = await readVolume(head);
    const analysis = analyseLungs({ ...header, data });
    expect(analysis.warnings.map(({ code }) => code)).toEqual(['no-lungs']);
    expect(analysis.measurements).toEqual({});
    expect(analysis.labelMap.every((label) => label === 0)).toBe(true);
  });
});
