import { buildVolume, decodeFrames, parseFile } from '@callosum/dicom';
import { generateThoraxPhantom, type ThoraxPhantom, type ThoraxPhantomOptions } from '@callosum/phantom';
import { beforeAll, describe, expect, it } from 'vitest';
import { analyseLungs, type LungAnalysis, type LungVolume } from './index.js';

async function volumeOf({ study }: ThoraxPhantom): Promise<LungVolume> {
  const axial = study.instances.filter(({ seriesInstanceUid }) => seriesInstanceUid === study.axialSeriesUid);
  const slices = axial.map(async ({ bytes }) => {
    const file = parseFile(bytes);
    const [frame] = await decodeFrames(file);
    return { header: file.dataset, samples: frame?.samples ?? new Int16Array(0) };
  });
  const { header, data } = buildVolume(await Promise.all(slices));
  return { ...header, data };
}

/** Dice of one label against the truth, which has the same numbers for right and left. */
function diceOf(found: Uint8Array, truth: Uint8Array, label: number): number {
  let [both, sum] = [0, 0];
  for (let index = 0; index < truth.length; index++) {
    const isFound = found[index] === label;
    const isTrue = truth[index] === label;
    if (isFound && isTrue) both++;
    sum += Number(isFound) + Number(isTrue);
  }
  return (2 * both) / sum;
}

async function analysed(options: ThoraxPhantomOptions): Promise<{ phantom: ThoraxPhantom; analysis: LungAnalysis }> {
  const phantom = generateThoraxPhantom(options);
  return { phantom, analysis: analyseLungs(await volumeOf(phantom)) };
}

describe('lungs of the thorax phantom', () => {
  const cases: readonly (ThoraxPhantomOptions & { readonly title: string })[] = [
    { title: 'head first', slices: 60, matrix: 192 },
    { title: 'feet first, slices shuffled', patientPosition: 'FFS', shuffled: true, slices: 60, matrix: 192 },
    { title: 'another seed', seed: 7, slices: 72, matrix: 160 },
    { title: 'a third seed, 6 mm slices, shuffled', seed: 20261122, slices: 48, matrix: 192, shuffled: true },
    { title: 'feet first, a fourth seed', seed: 99, patientPosition: 'FFS', slices: 60, matrix: 160 },
  ];
  it.each(cases)('are measured within 3 %, left is left: $title', async ({ title: _, ...options }) => {
    const { phantom, analysis } = await analysed(options);
    for (const side of ['right', 'left', 'both'] as const) {
      const truth = phantom.truth[side];
      const measured = analysis.measurements[side];
      expect(Math.abs((measured?.volumeMl ?? 0) / truth.volumeMl - 1)).toBeLessThan(0.03);
      expect(Math.abs((measured?.laa950Percent ?? NaN) - truth.laa950Percent)).toBeLessThan(0.25);
    }
    expect(diceOf(analysis.labelMap, phantom.truth.labels, 1)).toBeGreaterThan(0.99);
    expect(diceOf(analysis.labelMap, phantom.truth.labels, 2)).toBeGreaterThan(0.99);
    expect(analysis.warnings).toEqual([]);
  });

  it('hold no airway, no gas of the stomach and nothing outside the body', async () => {
    const { phantom, analysis } = await analysed({ slices: 60, matrix: 192 });
    const { labels } = phantom.truth;
    let [airway, other, lung] = [0, 0, 0];
    analysis.labelMap.forEach((label, index) => {
      if (label === 0) return;
      lung++;
      if (labels[index] === 3) airway++;
      else if (labels[index] === 0) other++;
    });
    expect(airway / lung).toBeLessThan(0.001);
    expect(other / lung).toBeLessThan(0.01);
  });
});

interface Labelled {
  readonly volume: LungVolume;
  readonly labels: Uint8Array;
}

const planeOf = ({ volume: { columns, rows } }: Labelled): number => columns * rows;
/** Index of the slice that lies `n` slices from the head. */
const fromHead = ({ volume: { affine, slices } }: Labelled, n: number): number =>
  (affine[10] ?? 0) > 0 ? slices - 1 - n : n;

/** How many slices lie above the first in which a row crosses two bronchi. */
function slicesAboveCarina(whole: Labelled): number {
  const { columns, rows } = whole.volume;
  for (let n = 0; ; n++) {
    for (let row = 0; row < rows; row++) {
      const at = fromHead(whole, n) * planeOf(whole) + row * columns;
      const line = whole.labels.subarray(at, at + columns);
      if (line.filter((label, column) => label === 3 && line[column - 1] !== 3).length > 1) return n;
    }
  }
}

/** Takes the first `n` slices from the head off. */
function cutAtHead(whole: Labelled, n: number): Labelled {
  const { volume, labels } = whole;
  const slices = volume.slices - n;
  const isHeadLast = (volume.affine[10] ?? 0) > 0;
  const from = isHeadLast ? 0 : n * planeOf(whole);
  const to = from + slices * planeOf(whole);
  const affine = volume.affine.map((value, at) =>
    at % 4 === 3 && at < 12 && !isHeadLast ? value + n * (volume.affine[at - 1] ?? 0) : value,
  );
  return { volume: { ...volume, slices, affine, data: volume.data.slice(from, to) }, labels: labels.slice(from, to) };
}

describe.each([
  { title: 'head first', slices: 60, matrix: 192 },
  {
    title: 'feet first, shuffled, another seed',
    seed: 7,
    patientPosition: 'FFS',
    shuffled: true,
    matrix: 160,
  } as const,
])('lungs cut by the field of view at the height of the airway: $title', ({ title: _, ...options }) => {
  let whole: Labelled;
  beforeAll(async () => {
    const phantom = generateThoraxPhantom(options);
    whole = { volume: await volumeOf(phantom), labels: phantom.truth.labels };
  });

  it.each([3, 2, 1, 0, -2, -4])('hold nothing of it, cut %i slices above the bronchi', (above) => {
    const cut = cutAtHead(whole, slicesAboveCarina(whole) - above);
    const { volume, labels } = cut;
    const first = fromHead(cut, 0) * planeOf(cut);
    expect(labels.subarray(first, first + planeOf(cut)).filter((label) => label === 3).length).toBeGreaterThan(10);

    const { labelMap, measurements, warnings } = analyseLungs(volume);
    expect(labelMap.filter((label, index) => label !== 0 && labels[index] === 3)).toHaveLength(0);
    for (const [side, label] of [
      ['right', 1],
      ['left', 2],
    ] as const) {
      const voxels = labels.filter((one) => one === label).length;
      const trueMl = volume.spacingMm.reduce((product, mm) => product * mm, voxels / 1000);
      expect(Math.abs((measurements[side]?.volumeMl ?? 0) / trueMl - 1)).toBeLessThan(0.03);
    }
    expect(warnings.map(({ message }) => message)).toEqual([expect.stringContaining('towards the head:')]);
  });
});

describe('speed', () => {
  it('takes 256 × 256 × 80 in less than four seconds of one core', async () => {
    const volume = await volumeOf(generateThoraxPhantom());
    // Time of the processor, not of the clock: other tests may run beside this one.
    const started = process.cpuUsage();
    analyseLungs(volume);
    expect(process.cpuUsage(started).user).toBeLessThan(4_000_000);
  });
});
