import { worker } from '@callosum/contracts';

import { InvalidManifestError } from './errors.js';

/** Who the model is, as Device, algorithm identification (SR, SEG) and Provenance name it. */
export interface ModelIdentity {
  /** Stable id, "lung-ct"; lower-case letters, digits, dots and hyphens. */
  readonly modelId: string;
  readonly version: string;
  /** For people. */
  readonly name: string;
  readonly vendor: string;
  /** What the model is for, and what it is not for; one or two sentences. */
  readonly intendedUse: string;
}

/** Which series of a study the model reads. Geometry decides; what a series says of itself is evidence only. */
export interface SeriesSelection {
  /** Modality (0008,0060), "CT". */
  readonly modality: string;
  readonly orientation: 'axial' | 'coronal' | 'sagittal';
  /** Upper-case terms of Body Part Examined (PS3.16 Annex L); none accepts any, an absent attribute never rejects. */
  readonly bodyParts?: readonly string[];
  readonly sliceSpacingMinMm?: number;
  readonly sliceSpacingMaxMm?: number;
  readonly sliceCountMin?: number;
  readonly sliceCountMax?: number;
  /** Which of several matching series is taken; the thinnest slices unless said otherwise. */
  readonly preference?: 'thinnest-slices' | 'most-slices';
}

/** Irregular geometry the model can take; everything irregular is refused unless said here. */
export interface VolumeLimits {
  readonly acceptsGantryTilt?: boolean;
  readonly acceptsGaps?: boolean;
  readonly acceptsUnevenSpacing?: boolean;
  /** Larger volumes are not offered, and refused by `readVolume`. */
  readonly voxelsMax?: number;
}

/** What a worker declares when it registers. */
export interface Manifest {
  readonly model: ModelIdentity;
  readonly selection: SeriesSelection;
  /** The only form there is today. */
  readonly inputForm?: 'hu-volume';
  readonly outputs: readonly ('label-map' | 'measurements' | 'findings')[];
  /** Jobs at once, 1 to 64; 1 unless said otherwise. */
  readonly slots?: number;
  readonly volumeLimits?: VolumeLimits;
  /** One attempt may take this long; the orchestrator has a ceiling of its own. */
  readonly attemptDurationMaxMs: number;
  readonly gpuRequired?: boolean;
}

/** 2,048 slices of 512 × 512: 1 GiB as int16, more than any CT of one region, and it fits one ArrayBuffer. */
export const voxelsMaxDefault = 512 * 512 * 2048;
export const slotsMax = 64;
/** A day: longer work is a batch, not an attempt. */
const attemptDurationCeilingMs = 24 * 3600 * 1000;

/**
 * Checks a manifest and gives it back.
 * @throws InvalidManifestError naming the field that is wrong.
 */
export function defineManifest(manifest: Manifest): Manifest {
  for (const field of ['modelId', 'version', 'name', 'vendor', 'intendedUse'] as const) {
    checkText(`model.${field}`, manifest.model[field], field === 'intendedUse' ? 1024 : 64);
  }
  if (!/^[a-z0-9]+([.-][a-z0-9]+)*$/.test(manifest.model.modelId)) {
    throw new InvalidManifestError('model.modelId: lower-case letters and digits, parted by dots or hyphens');
  }
  checkSelection(manifest.selection);
  const outputs = new Set(manifest.outputs);
  if (outputs.size === 0 || outputs.size !== manifest.outputs.length) {
    throw new InvalidManifestError('outputs: at least one, each once');
  }
  for (const output of outputs) {
    if (!(output in outputWire)) throw new InvalidManifestError('outputs: label-map, measurements or findings');
  }
  checkRange('slots', manifest.slots ?? 1, 1, slotsMax, true);
  checkRange('volumeLimits.voxelsMax', manifest.volumeLimits?.voxelsMax ?? 1, 1, voxelsMaxDefault * 2, true);
  checkRange('attemptDurationMaxMs', manifest.attemptDurationMaxMs, 1, attemptDurationCeilingMs, false);
  return manifest;
}

function checkSelection(selection: SeriesSelection): void {
  if (!/^[A-Z0-9_]{1,16}$/.test(selection.modality)) throw new InvalidManifestError('selection.modality: "CT", "MR"…');
  if (!(selection.orientation in orientationWire)) {
    throw new InvalidManifestError('selection.orientation: axial, coronal or sagittal');
  }
  for (const part of selection.bodyParts ?? []) {
    if (!/^[A-Z0-9 _]{1,16}$/.test(part)) throw new InvalidManifestError('selection.bodyParts: upper-case terms');
  }
  checkBounds('selection.sliceSpacing', selection.sliceSpacingMinMm, selection.sliceSpacingMaxMm, false);
  checkBounds('selection.sliceCount', selection.sliceCountMin, selection.sliceCountMax, true);
}

function checkBounds(name: string, minimum = 0, maximum = 0, whole = false): void {
  checkRange(`${name}Min`, minimum, 0, 1e6, whole);
  checkRange(`${name}Max`, maximum, 0, 1e6, whole);
  if (maximum > 0 && minimum > maximum) throw new InvalidManifestError(`${name}: the minimum is above the maximum`);
}

function checkRange(name: string, value: number, minimum: number, maximum: number, whole: boolean): void {
  const fits = Number.isFinite(value) && value >= minimum && value <= maximum && (!whole || Number.isInteger(value));
  if (!fits) throw new InvalidManifestError(`${name}: ${String(minimum)} to ${String(maximum)}`);
}

function checkText(name: string, value: string, charactersMax: number): void {
  if (typeof value !== 'string' || value.trim() === '' || value.length > charactersMax) {
    throw new InvalidManifestError(`${name}: 1 to ${String(charactersMax)} characters`);
  }
}

const orientationWire = {
  axial: worker.Orientation.ORIENTATION_AXIAL,
  coronal: worker.Orientation.ORIENTATION_CORONAL,
  sagittal: worker.Orientation.ORIENTATION_SAGITTAL,
} as const;
const preferenceWire = {
  'thinnest-slices': worker.Preference.PREFERENCE_THINNEST_SLICES,
  'most-slices': worker.Preference.PREFERENCE_MOST_SLICES,
} as const;
const outputWire = {
  'label-map': worker.OutputForm.OUTPUT_FORM_LABEL_MAP,
  measurements: worker.OutputForm.OUTPUT_FORM_MEASUREMENTS,
  findings: worker.OutputForm.OUTPUT_FORM_FINDINGS,
} as const;

/** The manifest as the protocol carries it. */
export function manifestToWire(manifest: Manifest): worker.Manifest {
  const { selection, volumeLimits } = manifest;
  return {
    model: { ...manifest.model },
    selection: {
      modality: selection.modality,
      orientation: orientationWire[selection.orientation],
      bodyParts: [...(selection.bodyParts ?? [])],
      sliceSpacingMinMm: selection.sliceSpacingMinMm ?? 0,
      sliceSpacingMaxMm: selection.sliceSpacingMaxMm ?? 0,
      sliceCountMin: selection.sliceCountMin ?? 0,
      sliceCountMax: selection.sliceCountMax ?? 0,
      preference: preferenceWire[selection.preference ?? 'thinnest-slices'],
    },
    inputForm: worker.InputForm.INPUT_FORM_HU_VOLUME,
    outputs: manifest.outputs.map((output) => outputWire[output]),
    slots: manifest.slots ?? 1,
    volumeLimits: {
      acceptsGantryTilt: volumeLimits?.acceptsGantryTilt ?? false,
      acceptsGaps: volumeLimits?.acceptsGaps ?? false,
      acceptsUnevenSpacing: volumeLimits?.acceptsUnevenSpacing ?? false,
      voxelsMax: BigInt(volumeLimits?.voxelsMax ?? voxelsMaxDefault),
    },
    attemptDurationMax: durationOf(manifest.attemptDurationMaxMs),
    gpuRequired: manifest.gpuRequired ?? false,
  };
}

function durationOf(ms: number): { seconds: bigint; nanos: number } {
  const whole = Math.floor(ms / 1000);
  return { seconds: BigInt(whole), nanos: Math.round((ms - whole * 1000) * 1e6) };
}
