import { nameUid } from '@callosum/kernel';
import { CTImageStorage, datasetOf, writeFile, type Attributes } from '@callosum/dicom';

export interface TinyInstance {
  /** A PS3.10 file, Explicit VR Little Endian. */
  readonly bytes: Uint8Array;
  readonly sopInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly studyInstanceUid: string;
}

const base: Attributes = {
  ImageType: ['ORIGINAL', 'PRIMARY', 'AXIAL'],
  SOPClassUID: CTImageStorage,
  SOPInstanceUID: nameUid('tiny', 'instance'),
  StudyInstanceUID: nameUid('tiny', 'study'),
  SeriesInstanceUID: nameUid('tiny', 'series'),
  FrameOfReferenceUID: nameUid('tiny', 'frame-of-reference'),
  StudyDate: '20260105',
  StudyTime: '101500',
  AccessionNumber: '',
  Modality: 'CT',
  Manufacturer: 'Callosum',
  ReferringPhysicianName: '',
  PatientName: 'PHANTOM^TINY',
  PatientID: 'TINY-0001',
  PatientBirthDate: '19580214',
  PatientSex: 'O',
  BodyPartExamined: 'CHEST',
  KVP: 120,
  PatientPosition: 'HFS',
  StudyID: 'TINY',
  SeriesNumber: 1,
  AcquisitionNumber: 1,
  InstanceNumber: 1,
  ImagePositionPatient: [0, 0, 0],
  ImageOrientationPatient: [1, 0, 0, 0, 1, 0],
  PositionReferenceIndicator: '',
  SliceThickness: 1,
  PixelSpacing: [1, 1],
  SamplesPerPixel: 1,
  PhotometricInterpretation: 'MONOCHROME2',
  Rows: 8,
  Columns: 8,
  BitsAllocated: 16,
  BitsStored: 12,
  HighBit: 11,
  PixelRepresentation: 0,
  RescaleIntercept: -1024,
  RescaleSlope: 1,
  RescaleType: 'HU',
};

/**
 * One CT slice of a single colour, 8 × 8 by default: the smallest valid CT object for tests.
 * @param overrides attributes by keyword; `undefined` leaves one out
 * @param storedValue of every pixel, where `overrides` gives no Pixel Data
 */
export function tinyCt(overrides: Attributes = {}, storedValue = 1024): TinyInstance {
  const attributes = { ...base, ...overrides };
  const count = numberOf(attributes['Rows']) * numberOf(attributes['Columns']);
  const pixels = Buffer.alloc(count * 2);
  for (let i = 0; i < count; i++) pixels.writeUInt16LE(storedValue, i * 2);
  const dataset = datasetOf({ PixelData: pixels, ...attributes });
  const bytes = writeFile(dataset, {
    implementationClassUid: nameUid('implementation', 'phantom'),
    implementationVersionName: 'CALLOSUM_PHANTOM',
  });
  return {
    bytes,
    sopInstanceUid: textOf(attributes['SOPInstanceUID']),
    seriesInstanceUid: textOf(attributes['SeriesInstanceUID']),
    studyInstanceUid: textOf(attributes['StudyInstanceUID']),
  };
}

export interface TinySeriesOptions {
  /** Default 6. */
  readonly slices?: number;
  /** Names the UIDs: another salt is another study. */
  readonly salt?: string;
  /** Names the series inside the study. */
  readonly series?: string;
  readonly overrides?: Attributes;
}

/** An axial series of `tinyCt` slices, 1 mm apart, stored value rising with position. */
export function tinySeries({
  slices = 6,
  salt = '',
  series = 'series',
  overrides = {},
}: TinySeriesOptions = {}): TinyInstance[] {
  return Array.from({ length: slices }, (_, k) =>
    tinyCt(
      {
        StudyInstanceUID: nameUid('tiny', salt, 'study'),
        SeriesInstanceUID: nameUid('tiny', salt, series),
        SOPInstanceUID: nameUid('tiny', salt, series, String(k)),
        FrameOfReferenceUID: nameUid('tiny', salt, 'frame-of-reference'),
        InstanceNumber: k + 1,
        ImagePositionPatient: [0, 0, k],
        ...overrides,
      },
      1000 + k,
    ),
  );
}

const numberOf = (value: Attributes[string]): number => (typeof value === 'number' ? value : 0);
const textOf = (value: Attributes[string]): string => (typeof value === 'string' ? value : '');
