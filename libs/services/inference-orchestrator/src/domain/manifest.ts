import { InvalidManifestError } from './errors.js';
import { isPlainText, problemOfName } from './text.js';

/** How a model is named wherever its results go; `callosum.inference.v1.ModelIdentity`. */
export interface ModelIdentity {
  readonly modelId: string;
  readonly version: string;
  readonly name: string;
  readonly vendor: string;
  readonly intendedUse: string;
}

export type Output = 'LABEL_MAP' | 'MEASUREMENTS' | 'FINDINGS';

/** A manifest that was checked. Numbers of 0 and empty lists mean no bound, as in the contract. */
export interface Manifest {
  readonly model: ModelIdentity;
  readonly modality: string;
  readonly orientation: 'AXIAL' | 'CORONAL' | 'SAGITTAL' | undefined;
  readonly bodyParts: readonly string[];
  readonly sliceSpacingMinMm: number;
  readonly sliceSpacingMaxMm: number;
  readonly sliceCountMin: number;
  readonly sliceCountMax: number;
  readonly preference: 'THINNEST_SLICES' | 'MOST_SLICES' | undefined;
  readonly outputs: readonly Output[];
  readonly slots: number;
  readonly acceptsGantryTilt: boolean;
  readonly acceptsGaps: boolean;
  readonly acceptsUnevenSpacing: boolean;
  readonly voxelsMax: number;
  /** Undefined when the manifest leaves it to the site. */
  readonly attemptMsMax: number | undefined;
}

/** What arrives; the fields of `callosum.worker.v1.Manifest`. */
export interface RawManifest {
  readonly model: ModelIdentity | undefined;
  readonly selection:
    | {
        readonly modality: string;
        readonly orientation: string;
        readonly bodyParts: readonly string[];
        readonly sliceSpacingMinMm: number;
        readonly sliceSpacingMaxMm: number;
        readonly sliceCountMin: number;
        readonly sliceCountMax: number;
        readonly preference: string;
      }
    | undefined;
  readonly inputForm: string;
  readonly outputs: readonly string[];
  readonly slots: number;
  readonly volumeLimits:
    | {
        readonly acceptsGantryTilt: boolean;
        readonly acceptsGaps: boolean;
        readonly acceptsUnevenSpacing: boolean;
        readonly voxelsMax: bigint;
      }
    | undefined;
  readonly attemptDurationMax: { readonly seconds: bigint; readonly nanos: number } | undefined;
}

/** Stands in keys, spans and metrics. */
const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const versionPattern = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;
/** Names go into LO attributes of SEG and SR. */
export const nameCharactersMax = 64;
const intendedUseCharactersMax = 1024;
const slotsMax = 64;
const bodyPartsMax = 64;
/** No scanner's slices are a metre apart. */
const spacingMmMax = 1000;
/** One typed array holds it; what the volume reader refuses beyond. */
export const voxelsMax = 512 * 1024 * 1024;
/** Sop Instance UIDs of a job stand in one event, which holds 900 kB. */
export const slicesMax = 5000;

const orientations: Readonly<Record<string, Manifest['orientation']>> = {
  ORIENTATION_UNSPECIFIED: undefined,
  ORIENTATION_AXIAL: 'AXIAL',
  ORIENTATION_CORONAL: 'CORONAL',
  ORIENTATION_SAGITTAL: 'SAGITTAL',
};
const preferences: Readonly<Record<string, Manifest['preference']>> = {
  PREFERENCE_UNSPECIFIED: undefined,
  PREFERENCE_THINNEST_SLICES: 'THINNEST_SLICES',
  PREFERENCE_MOST_SLICES: 'MOST_SLICES',
};
const outputs: Readonly<Record<string, Output>> = {
  OUTPUT_FORM_LABEL_MAP: 'LABEL_MAP',
  OUTPUT_FORM_MEASUREMENTS: 'MEASUREMENTS',
  OUTPUT_FORM_FINDINGS: 'FINDINGS',
};

/**
 * Checks a manifest and gives it in plain words.
 * @throws {InvalidManifestError} naming the first field that is wrong
 */
export function parseManifest(raw: RawManifest): Manifest {
  const model = modelOf(raw.model);
  const { selection, volumeLimits } = raw;
  if (!selection) throw new InvalidManifestError('selection is missing');
  require(raw.inputForm === 'INPUT_FORM_HU_VOLUME', 'input_form must be HU_VOLUME');
  require(selection.modality === 'CT', 'selection.modality must be CT: only CT has Hounsfield units');
  require(selection.orientation in orientations, 'selection.orientation is unknown');
  require(selection.preference in preferences, 'selection.preference is unknown');
  require(selection.bodyParts.length <= bodyPartsMax, `selection.body_parts has more than ${bodyPartsMax} terms`);
  require(selection.bodyParts.every((term) =>
    /^[A-Z0-9_ ]{1,16}$/.test(term),
  ), 'selection.body_parts must be upper-case terms of at most 16 characters');
  bounds('slice_spacing', selection.sliceSpacingMinMm, selection.sliceSpacingMaxMm, spacingMmMax);
  bounds('slice_count', selection.sliceCountMin, selection.sliceCountMax, slicesMax);
  require(Number.isInteger(raw.slots) && raw.slots >= 1 && raw.slots <= slotsMax, `slots must be 1 to ${slotsMax}`);
  const voxels = Number(volumeLimits?.voxelsMax ?? 0n);
  return {
    model,
    modality: selection.modality,
    orientation: orientations[selection.orientation],
    bodyParts: [...selection.bodyParts],
    sliceSpacingMinMm: selection.sliceSpacingMinMm,
    sliceSpacingMaxMm: selection.sliceSpacingMaxMm,
    sliceCountMin: selection.sliceCountMin,
    sliceCountMax: selection.sliceCountMax || slicesMax,
    preference: preferences[selection.preference],
    outputs: outputsOf(raw.outputs),
    slots: raw.slots,
    acceptsGantryTilt: volumeLimits?.acceptsGantryTilt ?? false,
    acceptsGaps: volumeLimits?.acceptsGaps ?? false,
    acceptsUnevenSpacing: volumeLimits?.acceptsUnevenSpacing ?? false,
    voxelsMax: voxels === 0 ? voxelsMax : Math.min(voxels, voxelsMax),
    attemptMsMax: durationMs(raw.attemptDurationMax),
  };
}

function modelOf(model: ModelIdentity | undefined): ModelIdentity {
  if (!model) throw new InvalidManifestError('model is missing');
  require(idPattern.test(model.modelId), 'model.model_id must be 1 to 64 letters, digits, dots, dashes or underscores');
  require(versionPattern.test(model.version), 'model.version must be 1 to 64 letters, digits, dots, dashes or pluses');
  for (const [field, text] of [
    ['name', model.name],
    ['vendor', model.vendor],
  ] as const) {
    const problem = problemOfName(text, nameCharactersMax);
    require(problem === undefined, `model.${field} ${problem}`);
  }
  require(model.intendedUse.length <= intendedUseCharactersMax &&
    isPlainText(
      model.intendedUse,
    ), `model.intended_use must be plain text of at most ${intendedUseCharactersMax} characters`);
  const { modelId, version, name, vendor, intendedUse } = model;
  return { modelId, version, name, vendor, intendedUse };
}

function outputsOf(declared: readonly string[]): Output[] {
  const known = declared.map((form) => outputs[form]);
  require(known.length > 0, 'outputs is empty');
  require(new Set(known).size === known.length, 'outputs names a form twice');
  return known.map((form) => {
    if (!form) throw new InvalidManifestError('outputs names an unknown form');
    return form;
  });
}

function bounds(field: string, min: number, max: number, limit: number): void {
  const sane = [min, max].every((value) => Number.isFinite(value) && value >= 0 && value <= limit);
  require(sane, `selection.${field} must be 0 to ${limit}`);
  require(max === 0 || min <= max, `selection.${field}_min is above its max`);
}

function durationMs(duration: RawManifest['attemptDurationMax']): number | undefined {
  if (!duration) return undefined;
  const ms = Number(duration.seconds) * 1000 + duration.nanos / 1e6;
  if (ms === 0) return undefined;
  require(ms >= 1, 'attempt_duration_max must be positive');
  return ms;
}

function require(holds: boolean, problem: string): void {
  if (!holds) throw new InvalidManifestError(problem);
}
