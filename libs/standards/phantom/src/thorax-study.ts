import { nameUid } from '@callosum/kernel';
import { CTImageStorage, datasetOf, writeFile, type Attributes } from '@callosum/dicom';
import { shuffle } from './random.js';
import type { Grid } from './shapes.js';
import type { PhantomInstance, PhantomPatient, ThoraxPhantom, ThoraxPhantomOptions } from './thorax-phantom.js';
import { drawThorax, fieldOfViewMm, heightMm, type Thorax } from './thorax.js';
import { truthOf } from './truth.js';

const defaultPatient: PhantomPatient = {
  patientId: 'PHANTOM-0001',
  patientName: 'PHANTOM^THORAX',
  birthDate: '19580214',
  sex: 'O',
};

interface Context {
  readonly uid: (...parts: string[]) => string;
  readonly common: Attributes;
  readonly thorax: Thorax;
  readonly isFeetFirst: boolean;
  readonly patientPosition: 'HFS' | 'FFS';
}

/**
 * A synthetic chest CT with known lungs: an axial series, a localizer, and a thick coronal reconstruction. The same
 * options give the same bytes. Takes about a second for the default size.
 */
export function generateThoraxPhantom(options: ThoraxPhantomOptions = {}): ThoraxPhantom {
  const { seed = 1, slices = 80, matrix = 256, shuffled = false, patientPosition = 'HFS', uidSalt = '' } = options;
  const pixel = fieldOfViewMm / matrix;
  const half = (fieldOfViewMm - pixel) / 2;
  const grid: Grid = {
    columns: matrix,
    rows: matrix,
    slices,
    spacing: [pixel, pixel, heightMm / slices],
    origin: [-half, -half, 0],
  };
  const thorax = drawThorax(seed, grid);
  const uid = (...parts: string[]): string =>
    nameUid('phantom-thorax', uidSalt, String(seed), patientPosition, String(slices), String(matrix), ...parts);
  const patient = { ...defaultPatient, ...options.patient };
  const context: Context = {
    uid,
    common: commonAttributes(options, patient, uid),
    thorax,
    isFeetFirst: patientPosition === 'FFS',
    patientPosition,
  };
  const instances = [...localizer(context), ...axial(context, shuffled ? seed : undefined), ...coronal(context)];
  const named = (shuffled ? shuffle(instances, seed + 1) : instances).map((one, i) => ({
    ...one,
    fileName: `IM${String(i + 1).padStart(4, '0')}.dcm`,
  }));
  return {
    study: {
      studyInstanceUid: uid('study'),
      patient,
      axialSeriesUid: uid('series', 'axial'),
      localizerSeriesUid: uid('series', 'localizer'),
      coronalSeriesUid: uid('series', 'coronal'),
      instances: named,
    },
    truth: truthOf(thorax, patientPosition === 'FFS'),
  };
}

function commonAttributes(options: ThoraxPhantomOptions, patient: PhantomPatient, uid: Context['uid']): Attributes {
  const { accessionNumber = '', studyDate = '20260105', studyTime = '101500' } = options;
  return {
    SOPClassUID: CTImageStorage,
    StudyDate: studyDate,
    SeriesDate: studyDate,
    AcquisitionDate: studyDate,
    ContentDate: studyDate,
    StudyTime: studyTime,
    SeriesTime: studyTime,
    AcquisitionTime: studyTime,
    ContentTime: studyTime,
    AccessionNumber: accessionNumber,
    Modality: 'CT',
    Manufacturer: 'Callosum',
    ManufacturerModelName: 'Thorax phantom',
    ReferringPhysicianName: '',
    StudyDescription: 'Synthetic thorax CT',
    PatientName: patient.patientName,
    PatientID: patient.patientId,
    IssuerOfPatientID: patient.issuerOfPatientId,
    PatientBirthDate: patient.birthDate,
    PatientSex: patient.sex,
    PatientComments: 'Synthetic: no person',
    BodyPartExamined: 'CHEST',
    KVP: 120,
    SoftwareVersions: '1',
    StudyInstanceUID: uid('study'),
    StudyID: 'PHANTOM',
    AcquisitionNumber: 1,
    FrameOfReferenceUID: uid('frame-of-reference'),
    PositionReferenceIndicator: '',
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    BitsAllocated: 16,
    BitsStored: 12,
    HighBit: 11,
    PixelRepresentation: 0,
    WindowCenter: -500,
    WindowWidth: 1500,
    RescaleIntercept: -1024,
    RescaleSlope: 1,
    RescaleType: 'HU',
  };
}

interface SeriesAttributes {
  readonly name: 'axial' | 'localizer' | 'coronal';
  readonly number: number;
  readonly description: string;
  readonly imageType: readonly string[];
}

function instance(
  context: Context,
  series: SeriesAttributes,
  index: number,
  attributes: Attributes,
  hu: Int16Array,
): Omit<PhantomInstance, 'fileName'> {
  const sopInstanceUid = context.uid('instance', series.name, String(index));
  const seriesInstanceUid = context.uid('series', series.name);
  const stored = Buffer.alloc(hu.length * 2);
  hu.forEach((value, i) => stored.writeUInt16LE(value + 1024, i * 2));
  const dataset = datasetOf({
    ...context.common,
    ImageType: series.imageType,
    SOPInstanceUID: sopInstanceUid,
    SeriesInstanceUID: seriesInstanceUid,
    SeriesDescription: series.description,
    SeriesNumber: series.number,
    PatientPosition: context.patientPosition,
    InstanceNumber: index + 1,
    ...attributes,
    PixelData: stored,
  });
  const bytes = writeFile(dataset, {
    implementationClassUid: nameUid('implementation', 'phantom'),
    implementationVersionName: 'CALLOSUM_PHANTOM',
  });
  return { bytes, sopInstanceUid, seriesInstanceUid };
}

function axial(context: Context, shuffleSeed: number | undefined): Omit<PhantomInstance, 'fileName'>[] {
  const { grid, hu } = context.thorax;
  const { columns, rows, slices, spacing, origin } = grid;
  const indices = Array.from({ length: slices }, (_, k) => k);
  const numbers = shuffleSeed === undefined ? indices : shuffle(indices, shuffleSeed + 2);
  const right = origin[0];
  const left = origin[0] + (columns - 1) * spacing[0];
  return indices.map((k) => {
    const slice = hu.slice(k * rows * columns, (k + 1) * rows * columns);
    if (context.isFeetFirst) mirrorRows(slice, columns);
    const attributes: Attributes = {
      InstanceNumber: (numbers[k] ?? k) + 1,
      Rows: rows,
      Columns: columns,
      PixelSpacing: [spacing[1], spacing[0]],
      SliceThickness: spacing[2],
      ImageOrientationPatient: context.isFeetFirst ? [-1, 0, 0, 0, 1, 0] : [1, 0, 0, 0, 1, 0],
      ImagePositionPatient: [context.isFeetFirst ? left : right, origin[1], origin[2] + k * spacing[2]],
    };
    return instance(
      context,
      { name: 'axial', number: 2, description: 'Axial lung', imageType: ['ORIGINAL', 'PRIMARY', 'AXIAL'] },
      k,
      attributes,
      slice,
    );
  });
}

function mirrorRows(slice: Int16Array, columns: number): void {
  for (let at = 0; at < slice.length; at += columns) slice.subarray(at, at + columns).reverse();
}

/** A coronal scout: the mean along y, head up. */
function localizer(context: Context): Omit<PhantomInstance, 'fileName'>[] {
  const { grid } = context.thorax;
  const image = meanOverRows(context.thorax, 0, grid.rows - 1);
  return [
    instance(
      context,
      { name: 'localizer', number: 1, description: 'Scout', imageType: ['ORIGINAL', 'PRIMARY', 'LOCALIZER'] },
      0,
      coronalPlane(grid, 0, grid.rows * grid.spacing[1]),
      image,
    ),
  ];
}

/** A thick coronal reconstruction of the same scan: a volume, but not the one to measure on. */
function coronal(context: Context): Omit<PhantomInstance, 'fileName'>[] {
  const { grid } = context.thorax;
  const thickness = Math.max(1, Math.round(10 / grid.spacing[1]));
  const count = Math.floor(grid.rows / thickness);
  const series: SeriesAttributes = {
    name: 'coronal',
    number: 3,
    description: 'Coronal thick',
    imageType: ['DERIVED', 'SECONDARY', 'REFORMATTED'],
  };
  return Array.from({ length: count }, (_, n) => {
    const first = n * thickness;
    const y = grid.origin[1] + (first + (thickness - 1) / 2) * grid.spacing[1];
    return instance(
      context,
      series,
      n,
      coronalPlane(grid, y, thickness * grid.spacing[1]),
      meanOverRows(context.thorax, first, first + thickness - 1),
    );
  });
}

function coronalPlane(grid: Grid, y: number, thickness: number): Attributes {
  const top = grid.origin[2] + (grid.slices - 1) * grid.spacing[2];
  return {
    Rows: grid.slices,
    Columns: grid.columns,
    PixelSpacing: [grid.spacing[2], grid.spacing[0]],
    SliceThickness: thickness,
    ImageOrientationPatient: [1, 0, 0, 0, 0, -1],
    ImagePositionPatient: [grid.origin[0], y, top],
  };
}

/** Rows are z from the head down, columns x. */
function meanOverRows({ grid, hu }: Thorax, first: number, last: number): Int16Array {
  const { columns, rows, slices } = grid;
  const image = new Int16Array(columns * slices);
  const sums = new Float64Array(columns);
  for (let k = 0; k < slices; k++) {
    sums.fill(0);
    for (let j = first; j <= last; j++) {
      const row = (k * rows + j) * columns;
      for (let i = 0; i < columns; i++) sums[i] = (sums[i] ?? 0) + (hu[row + i] ?? 0);
    }
    const out = (slices - 1 - k) * columns;
    for (let i = 0; i < columns; i++) image[out + i] = Math.round((sums[i] ?? 0) / (last - first + 1));
  }
  return image;
}
