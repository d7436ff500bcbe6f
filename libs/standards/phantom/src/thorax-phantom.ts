import type { ThoraxTruth } from './truth.js';

/** Demographics of the study; obviously synthetic by default. */
export interface PhantomPatient {
  readonly patientId: string;
  /** DICOM PN: "FAMILY^GIVEN". */
  readonly patientName: string;
  /** DICOM DA; '' for unknown. */
  readonly birthDate: string;
  readonly sex: 'M' | 'F' | 'O' | '';
  readonly issuerOfPatientId?: string;
}

export interface ThoraxPhantomOptions {
  /** Moves emphysema, vessels and noise. Default 1. */
  readonly seed?: number;
  /** Axial slices over 288 mm. Default 80, of which more than 60 show both lungs. */
  readonly slices?: number;
  /** Rows and columns over 384 mm. Default 256. */
  readonly matrix?: number;
  /** Instances, Instance Numbers and file names in an order that says nothing about positions. */
  readonly shuffled?: boolean;
  /** FFS: rows run from the patient's left to right and slices ascend to the feet. Default HFS. */
  readonly patientPosition?: 'HFS' | 'FFS';
  readonly patient?: Partial<PhantomPatient>;
  /** All UIDs derive from this and the seed: another salt is another study. Default ''. */
  readonly uidSalt?: string;
  readonly accessionNumber?: string;
  /** DICOM DA and TM of the study. */
  readonly studyDate?: string;
  readonly studyTime?: string;
}

export interface PhantomInstance {
  readonly fileName: string;
  /** A PS3.10 file, Explicit VR Little Endian. */
  readonly bytes: Uint8Array;
  readonly sopInstanceUid: string;
  readonly seriesInstanceUid: string;
}

export interface PhantomStudy {
  readonly studyInstanceUid: string;
  readonly patient: PhantomPatient;
  readonly axialSeriesUid: string;
  readonly localizerSeriesUid: string;
  readonly coronalSeriesUid: string;
  readonly instances: readonly PhantomInstance[];
}

export interface ThoraxPhantom {
  readonly study: PhantomStudy;
  readonly truth: ThoraxTruth;
}
