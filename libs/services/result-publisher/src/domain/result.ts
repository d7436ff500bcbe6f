/** A coded concept: value, coding scheme designator (PS3.16 section 8), meaning. */
export interface Code {
  readonly value: string;
  readonly scheme: string;
  readonly meaning: string;
}

export interface Model {
  readonly modelId: string;
  readonly version: string;
  readonly name: string;
  readonly vendor: string;
  readonly intendedUse: string;
}

export interface Measurement {
  readonly id: string;
  readonly concept: Code;
  readonly value: number;
  /** UCUM. */
  readonly unit: Code;
  /** Segment it was measured on; 0 when none. */
  readonly segmentNumber: number;
  readonly findingSite?: Code | undefined;
  readonly method?: Code | undefined;
  /** "R", "L", "B" or empty. */
  readonly laterality: string;
}

export interface Finding {
  readonly concept: Code;
  readonly present: boolean;
  /** 0 to 1. */
  readonly probability?: number | undefined;
  readonly findingSite?: Code | undefined;
}

export interface Segment {
  /** 1, 2, 3 … without gaps; its value in the label map. */
  readonly number: number;
  readonly label: string;
  readonly category: Code;
  readonly type: Code;
  readonly anatomicRegion?: Code | undefined;
  /** Three values 0 to 65535, or empty. */
  readonly recommendedCielab: readonly number[];
  /** "R", "L", "B" or empty. */
  readonly laterality: string;
}

/** Mask on the grid of the input: one byte a voxel, columns fastest, then rows, then slices. */
export interface LabelMap {
  readonly columns: number;
  readonly rows: number;
  readonly slices: number;
  readonly segments: readonly Segment[];
  readonly voxels: Uint8Array;
}

export interface Warning {
  readonly code: string;
  readonly message: string;
}

/** An accepted result of one job, complete enough to be written down without asking anybody. */
export interface JobResult {
  readonly jobId: string;
  readonly model: Model;
  /** Lower-case hex SHA-256. */
  readonly resultDigest: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  /** Slice order of the volume. */
  readonly sopInstanceUids: readonly string[];
  readonly findings: readonly Finding[];
  readonly measurements: readonly Measurement[];
  readonly warnings: readonly Warning[];
  /** Undefined when the model made no mask. */
  readonly labelMap?: LabelMap | undefined;
  readonly completedAt: Date;
}

const lateralities: Readonly<Record<string, Code>> = {
  R: { value: '24028007', scheme: 'SCT', meaning: 'Right' },
  L: { value: '7771000', scheme: 'SCT', meaning: 'Left' },
  B: { value: '51440002', scheme: 'SCT', meaning: 'Right and left' },
};

/** CID 244 concept of a coded laterality; undefined when there is none. */
export const lateralityCode = (laterality: string): Code | undefined => lateralities[laterality];
