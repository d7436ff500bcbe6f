import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { testDataPath } from '@callosum/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  GeometryError,
  buildVolume,
  classifySeries,
  datasetOf,
  instanceGeometry,
  parseDataset,
  parseHeader,
  planVolume,
  selectVolumeSeries,
  stackSlices,
  writeDataset,
  type Attributes,
  type DicomDataset,
  type InstanceGeometry,
  type SelectableSeries,
} from './index.js';

const CT = '1.2.840.10008.5.1.4.1.1.2';
const header = (attributes: Attributes): DicomDataset =>
  parseDataset(
    writeDataset(
      datasetOf({
        SOPClassUID: CT,
        Modality: 'CT',
        Rows: 2,
        Columns: 3,
        PixelSpacing: [0.5, 0.25],
        ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
        RescaleSlope: 1,
        RescaleIntercept: -1024,
        BitsStored: 12,
        PixelRepresentation: 0,
        SliceThickness: 2,
        ...attributes,
      }),
    ),
    '1.2.840.10008.1.2.1',
  ).dataset;
const slice = (k: number, z: number, attributes: Attributes = {}): DicomDataset =>
  header({
    SOPInstanceUID: `1.2.${String(k + 1)}`,
    InstanceNumber: k + 1,
    ImagePositionPatient: [10, 20, z],
    FrameOfReferenceUID: '1.2.9',
    ...attributes,
  });
const slices = (count: number, attributes: Attributes = {}): DicomDataset[] =>
  Array.from({ length: count }, (_, k) => slice(k, k * 2, attributes));
const at = ({ affine }: { affine: readonly number[] }, i: number, j: number, k: number): number[] =>
  [0, 1, 2].map(
    (axis) =>
      (affine[axis * 4] ?? 0) * i +
      (affine[axis * 4 + 1] ?? 0) * j +
      (affine[axis * 4 + 2] ?? 0) * k +
      (affine[axis * 4 + 3] ?? 0),
  );

/** Headers of every file below a folder of the shared test data. */
function headersIn(...parts: string[]): DicomDataset[] {
  const root = testDataPath(...parts);
  const walk = (path: string): string[] =>
    statSync(path).isDirectory() ? readdirSync(path).flatMap((name) => walk(join(path, name))) : [path];
  return (root === undefined ? [] : walk(root)).flatMap((path) => {
    const parsed = parseHeader(readFileSync(path), { complete: true });
    return parsed === 'need-more' ? [] : [parsed.dataset];
  });
}
const series = (
  uid: string,
  headers: readonly DicomDataset[],
  attributes: Partial<SelectableSeries> = {},
): SelectableSeries => ({
  seriesInstanceUid: uid,
  modality: headers[0]?.string('Modality') ?? '',
  bodyPartExamined: headers[0]?.string('BodyPartExamined') ?? '',
  issuedByCallosum: false,
  instances: headers.map(instanceGeometry),
  ...attributes,
});

describe('a volume', () => {
  it('places every voxel where its slice says, in any order of slices and any orientation', () => {
    const angle = fc.double({ min: -Math.PI, max: Math.PI, noNaN: true });
    fc.assert(
      fc.property(
        angle,
        angle,
        fc.integer({ min: 2, max: 12 }),
        fc.double({ min: 0.5, max: 5, noNaN: true }),
        fc.infiniteStream(fc.nat()),
        (yaw, pitch, count, step, random) => {
          const row = [Math.cos(yaw), Math.sin(yaw), 0];
          const column = [-Math.sin(yaw) * Math.cos(pitch), Math.cos(yaw) * Math.cos(pitch), Math.sin(pitch)];
          const normal = [Math.sin(yaw) * Math.sin(pitch), -Math.cos(yaw) * Math.sin(pitch), Math.cos(pitch)];
          const position = (k: number): number[] =>
            normal.map((cosine, axis) => ([5, -7, 11][axis] ?? 0) + cosine * k * step);
          const instances: InstanceGeometry[] = Array.from({ length: count }, (_, k) => ({
            ...instanceGeometry(slice(k, 0)),
            sopInstanceUid: String(k),
            imageOrientationPatient: [...row, ...column],
            imagePositionPatient: position(k),
          }));
          const shuffled = instances
            .map((one) => ({ one, key: random.next().value }))
            .sort((a, b) => a.key - b.key)
            .map(({ one }) => one);
          const stack = stackSlices(shuffled);
          expect(stack.order.map((index) => shuffled[index]?.sopInstanceUid)).toEqual(
            instances.map(({ sopInstanceUid }) => sopInstanceUid),
          );
          expect(stack.irregularities).toEqual([]);
          for (const [i, j, k] of [
            [0, 0, 0],
            [2, 1, count - 1],
          ] as const) {
            const expected = position(k).map(
              (mm, axis) => mm + (row[axis] ?? 0) * 0.25 * i + (column[axis] ?? 0) * 0.5 * j,
            );
            at(stack, i, j, k).forEach((mm, axis) => expect(mm).toBeCloseTo(expected[axis] ?? 0, 6));
          }
        },
      ),
      { seed: 20261122, numRuns: 100 },
    );
  });

  it('rescales each slice by its own slope and intercept', () => {
    const volume = buildVolume([
      {
        header: slice(1, 2, { RescaleSlope: 2, RescaleIntercept: -1000 }),
        samples: Uint16Array.from([10, 20, 30, 40, 50, 60]),
      },
      { header: slice(0, 0), samples: Uint16Array.from([0, 1024, 2048, 1, 2, 3]) },
    ]);
    expect(volume.header).toMatchObject({
      columns: 3,
      rows: 2,
      slices: 2,
      voxelType: 'INT16',
      sopInstanceUids: ['1.2.1', '1.2.2'],
      spacingMm: [0.25, 0.5, 2],
      byteCount: 24,
      frameOfReferenceUid: '1.2.9',
    });
    expect([...volume.data]).toEqual([-1024, 0, 1024, -1023, -1022, -1021, -980, -960, -940, -920, -900, -880]);
  });

  it('keeps a slope of 1.001 exact as FLOAT32', () => {
    const volume = buildVolume(
      slices(2, { RescaleSlope: 1.001 }).map((one) => ({
        header: one,
        samples: Uint16Array.from([2000, 0, 0, 0, 0, 0]),
      })),
    );
    expect(volume.header.voxelType).toBe('FLOAT32');
    expect(volume.data[0]).toBeCloseTo(978, 3);
  });

  it('declares padding and keeps it, also when it stands in the other sign', () => {
    const signed = { PixelRepresentation: 1, PixelPaddingValue: 63536 };
    const volume = buildVolume(
      slices(2, signed).map((one) => ({ header: one, samples: Int16Array.from([-2000, 24, 0, 0, 0, 0]) })),
    );
    expect(volume.header.paddingValueHu).toBe(-3024);
    expect([...volume.data.slice(0, 2)]).toEqual([-3024, -1000]);
    expect(planVolume(slices(2)).header.paddingValueHu).toBeUndefined();
  });

  it('declares tilt, gaps and uneven spacing', () => {
    const irregular = (positions: number[][]): readonly string[] =>
      planVolume(positions.map((position, k) => slice(k, 0, { ImagePositionPatient: position }))).header.irregularities;
    expect(
      irregular([
        [0, 0, 0],
        [0, 0.5, 2],
        [0, 1, 4],
        [0, 1.5, 6],
      ]),
    ).toEqual(['GANTRY_TILT']);
    expect(
      irregular([
        [0, 0, 0],
        [0, 0, 2],
        [0, 0, 6],
        [0, 0, 8],
      ]),
    ).toEqual(['GAPS']);
    expect(
      irregular([
        [0, 0, 0],
        [0, 0, 2],
        [0, 0, 4.4],
        [0, 0, 6.4],
      ]),
    ).toEqual(['UNEVEN_SPACING']);
    expect(
      irregular([
        [0, 0, 0],
        [0, 0, 2.02],
        [0, 0, 4],
        [0, 0, 6.01],
      ]),
    ).toEqual([]);
  });

  it.each([
    ['mixed-orientation', [slice(0, 0), slice(1, 2, { ImageOrientationPatient: [0, 1, 0, 0, 0, -1] })]],
    ['mixed-matrix', [slice(0, 0), slice(1, 2, { Rows: 4 })]],
    ['mixed-spacing', [slice(0, 0), slice(1, 2, { PixelSpacing: [0.5, 0.3] })]],
    ['duplicate-position', [slice(0, 0), slice(1, 0)]],
    ['missing-position', [slice(0, 0), slice(1, 2, { ImagePositionPatient: undefined })]],
    ['missing-orientation', [slice(0, 0, { ImageOrientationPatient: [1, 0, 0, 1, 0, 0] })]],
    ['missing-spacing', [slice(0, 0, { PixelSpacing: [0, 1] })]],
    ['multi-frame', [slice(0, 0, { NumberOfFrames: 10 })]],
    ['empty', []],
  ] as const)('is refused: %s', (problem, headers) => {
    expect(() => planVolume(headers)).toThrow(
      expect.objectContaining({ problem, code: `dicom.geometry.${problem}`, kind: 'invalid' }) as GeometryError,
    );
  });
});

describe('what a series is', () => {
  const kindOf = (headers: readonly DicomDataset[]): string => classifySeries(headers.map(instanceGeometry)).kind;

  it('is decided by geometry, with ImageType as evidence', () => {
    expect(
      classifySeries(slices(6, { ImageType: ['DERIVED', 'SECONDARY', 'AXIAL'] }).map(instanceGeometry)),
    ).toMatchObject({ kind: 'volume', orientation: 'AXIAL', evidence: ['derived'] });
    const sagittal = Array.from({ length: 6 }, (_, k) =>
      slice(k, 0, {
        ImageType: ['ORIGINAL', 'PRIMARY', 'AXIAL'],
        ImageOrientationPatient: [0, 1, 0, 0, 0, -1],
        ImagePositionPatient: [k, 0, 0],
      }),
    );
    expect(classifySeries(sagittal.map(instanceGeometry))).toMatchObject({
      kind: 'volume',
      orientation: 'SAGITTAL',
      evidence: ['image-type-contradicts-geometry'],
    });
  });

  it('stays a volume when each slice claims its own frame of reference', () => {
    const many = Array.from({ length: 275 }, (_, k) =>
      slice(k, k * 0.625, { FrameOfReferenceUID: `1.2.7.${String(k)}` }),
    );
    expect(classifySeries(many.map(instanceGeometry))).toMatchObject({
      kind: 'volume',
      orientation: 'AXIAL',
      evidence: ['frame-of-reference-varies'],
    });
    expect(planVolume(many).header).toMatchObject({ slices: 275, frameOfReferenceUid: '' });
  });

  it.each<[string, DicomDataset[]]>([
    [
      'two scans, one behind the other',
      Array.from({ length: 20 }, (_, k) => slice(k, k * 2, { FrameOfReferenceUID: k < 10 ? '1.2.7' : '1.2.8' })),
    ],
    [
      'two scans, slice by slice in between',
      Array.from({ length: 20 }, (_, k) => slice(k, k * 2, { FrameOfReferenceUID: `1.2.${String(7 + (k % 2))}` })),
    ],
    [
      'one slice of another scan',
      Array.from({ length: 20 }, (_, k) => slice(k, k * 2, { FrameOfReferenceUID: k === 19 ? '1.2.8' : '1.2.7' })),
    ],
    [
      'a frame for each slice, with a gap',
      Array.from({ length: 20 }, (_, k) =>
        slice(k, k < 10 ? k * 2 : k * 2 + 10, { FrameOfReferenceUID: `1.2.7.${String(k)}` }),
      ),
    ],
  ])('is no volume in more than one frame of reference: %s', (_what, headers) => {
    expect(classifySeries(headers.map(instanceGeometry))).toMatchObject({
      kind: 'not-a-volume',
      evidence: ['frame-of-reference-varies', 'geometry-mixed-frame-of-reference'],
    });
    expect(() => planVolume(headers)).toThrow('more than one frame of reference');
  });

  it('is no volume: localizer, Secondary Capture, too few slices, no position, mixed planes', () => {
    expect(kindOf(slices(6, { ImageType: ['ORIGINAL', 'PRIMARY', 'LOCALIZER'] }))).toBe('localizer');
    expect(kindOf(slices(6, { SOPClassUID: '1.2.840.10008.5.1.4.1.1.7' }))).toBe('secondary-capture');
    expect(kindOf(slices(3))).toBe('not-a-volume');
    expect(kindOf(slices(6, { ImagePositionPatient: undefined }))).toBe('not-a-volume');
    expect(kindOf([...slices(6), slice(9, 50, { ImageOrientationPatient: [0, 1, 0, 0, 0, -1] })])).toBe('not-a-volume');
    expect(kindOf([])).toBe('not-a-volume');
  });
});

describe('selection', () => {
  const selection = {
    modality: 'CT',
    orientation: 'AXIAL',
    bodyParts: ['CHEST'],
    sliceSpacingMaxMm: 5,
    sliceCountMin: 4,
    preference: 'THINNEST_SLICES',
  } as const;
  const thick = series(
    '1.1',
    Array.from({ length: 5 }, (_, k) => slice(k, k * 5)),
  );
  const thin = series('1.2', slices(6));

  it('takes the preferred of those that match, whatever their order, and says why not the others', () => {
    const others = [
      series('1.3', slices(6, { ImageType: ['ORIGINAL', 'PRIMARY', 'LOCALIZER'] })),
      series('1.4', slices(6, { Modality: 'MR' })),
      series('1.5', slices(6), { bodyPartExamined: 'HEAD' }),
      series('1.6', slices(6), { issuedByCallosum: true }),
      series(
        '1.7',
        Array.from({ length: 6 }, (_, k) => slice(k, k * 7)),
      ),
      series('1.8', slices(6, { RescaleType: 'US' })),
      series(
        '1.9',
        [0, 2, 6, 8, 10].map((z, k) => slice(k, z)),
      ),
    ];
    const all = [thick, thin, ...others];
    for (const order of [all, [...all].reverse()]) {
      const choice = selectVolumeSeries(order, selection);
      expect(choice.seriesInstanceUid).toBe('1.2');
      expect(
        Object.fromEntries(choice.verdicts.map(({ seriesInstanceUid, reasons }) => [seriesInstanceUid, reasons])),
      ).toEqual({
        '1.1': ['another-series-preferred'],
        '1.2': [],
        '1.3': ['localizer-image-type'],
        '1.4': ['modality', 'no-rescale'],
        '1.5': ['body-part'],
        '1.6': ['issued-by-callosum'],
        '1.7': ['slice-spacing'],
        '1.8': ['no-rescale'],
        '1.9': ['irregular-gaps'],
      });
    }
    expect(selectVolumeSeries(others, { ...selection, acceptsGaps: true }).seriesInstanceUid).toBe('1.9');
    expect(selectVolumeSeries([thin], { ...selection, voxelsMax: 10 }).verdicts[0]?.reasons).toEqual(['voxels']);
    expect(selectVolumeSeries([], selection).seriesInstanceUid).toBeUndefined();
  });
});

describe.skipIf(testDataPath('studies') === undefined)('real series', () => {
  it('take the axial one of a head CT, not its localizer or summary', () => {
    const head = readdirSync(testDataPath('studies', 'ct-head-phantom') ?? '').filter((name) =>
      name.startsWith('series'),
    );
    const choice = selectVolumeSeries(
      head.map((name) => series(name, headersIn('studies', 'ct-head-phantom', name))),
      { modality: 'CT', orientation: 'AXIAL' },
    );
    expect(choice.seriesInstanceUid).toBe('series201-axial5mm');
  });

  it('build the chest CT: 49 slices of 5 mm though every one says DERIVED', () => {
    const headers = headersIn('studies', 'ct-chest').filter((one) => one.string('Modality') === 'CT');
    expect(classifySeries(headers.map(instanceGeometry))).toMatchObject({ kind: 'volume', orientation: 'AXIAL' });
    expect(planVolume(headers).header).toMatchObject({
      slices: headers.length,
      voxelType: 'INT16',
      irregularities: [],
    });
  });

  it('see a sagittal reformat that is labelled AXIAL', () => {
    const seen = classifySeries(headersIn('malformed', 'reformat-labelled-axial').map(instanceGeometry));
    expect(seen.orientation).toBe('SAGITTAL');
    expect(seen.evidence).toContain('image-type-contradicts-geometry');
  });

  it.each([
    ['duplicate-position', 'not-a-volume', 'geometry-duplicate-position'],
    ['mixed-orientation', 'not-a-volume', 'geometry-mixed-orientation'],
    ['no-position', 'not-a-volume', 'geometry-missing-position'],
    ['missing-slice', 'volume', 'irregular-gaps'],
  ])('%s is %s with %s', (name, kind, evidence) => {
    const seen = classifySeries(headersIn('malformed', 'synthetic', 'geometry', name).map(instanceGeometry));
    expect(seen.kind).toBe(kind);
    expect(seen.evidence).toContain(evidence);
  });

  it('order slices by position where Instance Numbers run the other way', () => {
    const headers = headersIn('malformed', 'synthetic', 'geometry', 'reverse-order');
    const { order } = planVolume(headers);
    const heights = order.map((index) => headers[index]?.numbers('ImagePositionPatient')[2] ?? 0);
    expect(heights).toEqual([...heights].sort((a, b) => a - b));
  });
});
