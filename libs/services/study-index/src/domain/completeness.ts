import { isFinal, type ProcedureStep } from './procedure-step.js';

/** Source instances of a series that are indexed. */
export interface IndexedCount {
  readonly seriesInstanceUid: string;
  readonly sourceInstances: number;
}

/** What procedure steps say of a study, held against what is indexed of it. */
export interface StatedCompleteness {
  /** All steps ended, as many instances are here as they state, and no series is here that none of them states. */
  readonly isWhole: boolean;
  readonly stepsInProgress: number;
  /** Instances that steps which ended state, and that are not indexed. */
  readonly missing: number;
  /** Series whose steps all ended and that hold as many instances as these state. */
  readonly wholeSeries: readonly string[];
}

/** Nobody stated anything: the quiet period decides alone. */
export const nothingStated: StatedCompleteness = { isWhole: false, stepsInProgress: 0, missing: 0, wholeSeries: [] };

/**
 * Judges a study by the counts of its procedure steps. Counts of a step in progress are not yet whole and state nothing;
 * of several steps that name one series the counts add up, unless they name the very same instances.
 * A series without a step, and one with more instances than its steps state, tell of another sender, of which nobody
 * knows when it is done: such a study is not whole by counts, and its quiet period decides.
 * @param indexed series of the study, and of any other study those that the steps name
 * @param ofStudy the study's own series among them
 */
export function judgeStated(
  steps: readonly ProcedureStep[],
  indexed: readonly IndexedCount[],
  ofStudy: ReadonlySet<string>,
): StatedCompleteness {
  if (steps.length === 0) return nothingStated;
  const here = new Map(indexed.map(({ seriesInstanceUid, sourceInstances }) => [seriesInstanceUid, sourceInstances]));
  const stated = statedCounts(steps.filter(isFinal));
  const open = new Set(
    steps.filter((step) => !isFinal(step)).flatMap(({ series }) => series.map((one) => one.seriesInstanceUid)),
  );
  let missing = 0;
  const wholeSeries: string[] = [];
  for (const [uid, count] of stated) {
    const present = here.get(uid) ?? 0;
    missing += Math.max(0, count - present);
    if (present === count && present > 0 && !open.has(uid) && ofStudy.has(uid)) wholeSeries.push(uid);
  }
  const stepsInProgress = steps.filter((step) => !isFinal(step)).length;
  const own = [...ofStudy].filter((uid) => (here.get(uid) ?? 0) > 0);
  const isWhole =
    stepsInProgress === 0 && missing === 0 && own.length > 0 && own.every((uid) => here.get(uid) === stated.get(uid));
  return { isWhole, stepsInProgress, missing, wholeSeries: wholeSeries.sort() };
}

/** Instances that these steps state, by series. */
function statedCounts(steps: readonly ProcedureStep[]): ReadonlyMap<string, number> {
  const byDigest = new Map<string, Map<string, number>>();
  for (const { seriesInstanceUid, instanceCount, instancesDigest } of steps.flatMap(({ series }) => series)) {
    const counts = byDigest.get(seriesInstanceUid) ?? new Map<string, number>();
    byDigest.set(seriesInstanceUid, counts.set(instancesDigest, instanceCount));
  }
  return new Map([...byDigest].map(([uid, counts]) => [uid, [...counts.values()].reduce((sum, one) => sum + one, 0)]));
}

/** How long a study whose quiet period is over waits for what its procedure steps promise, in milliseconds. */
export interface StatedLimits {
  /** For a step in progress to end. */
  readonly openStepMs: number;
  /** For stated instances to come. */
  readonly missingMs: number;
}

/**
 * How long such a study is held back, counted from the end of its quiet period; 0 when nothing holds it. After that the
 * quiet period decides: a modality may never end its step, and an instance it states may never be sent.
 */
export function holdMs({ isWhole, stepsInProgress, missing }: StatedCompleteness, limits: StatedLimits): number {
  if (isWhole) return 0;
  return Math.max(stepsInProgress > 0 ? limits.openStepMs : 0, missing > 0 ? limits.missingMs : 0);
}
