import { ModelNotFoundError } from '../domain/errors.js';
import { selectInput } from '../domain/selection.js';
import type { Models, Studies } from './ports.js';
import type { ConsideredStudies } from './scheduling-ports.js';

export interface ExplainSelectionDependencies {
  readonly models: Models;
  readonly studies: Studies;
  readonly considered: ConsideredStudies;
}

export interface Explanation {
  readonly studyInstanceUid: string;
  readonly revision: number;
  /** Revision the models were last decided for; null before the study completes. Equal to `revision`: decided for all of it. */
  readonly consideredRevision: number | null;
  readonly models: readonly {
    readonly modelId: string;
    readonly version: string;
    /** ISO 8601: when it last registered. */
    readonly registeredAt: string;
    /** Null when none matches. */
    readonly seriesInstanceUid: string | null;
    readonly series: readonly {
      readonly seriesInstanceUid: string;
      readonly instanceCount: number;
      readonly matches: boolean;
      readonly kind: string;
      readonly orientation: string | null;
      readonly slices: number | null;
      readonly sliceSpacingMm: number | null;
      readonly reasons: readonly string[];
      readonly evidence: readonly string[];
    }[];
  }[];
}

/**
 * A dry run: what each registered model, or one of them, would read of a study and why. Nothing is scheduled.
 * @throws {ModelNotFoundError} @throws {StudyNotIndexedError}
 */
export async function explainSelection(
  { models, studies, considered }: ExplainSelectionDependencies,
  studyInstanceUid: string,
  modelId: string | undefined,
): Promise<Explanation> {
  // Asked first: models that register, and instances that arrive, after it only make the answer newer than it says.
  const consideredRevision = (await considered.revisionOf(studyInstanceUid)) ?? null;
  const registered = (await models.registered()).filter(
    ({ manifest: { model } }) => modelId === undefined || model.modelId === modelId,
  );
  if (modelId !== undefined && registered.length === 0) throw new ModelNotFoundError();
  const study = await studies.study(studyInstanceUid);
  const instanceCounts = new Map(study.series.map((series) => [series.seriesInstanceUid, series.instances.length]));
  return {
    studyInstanceUid,
    revision: study.revision,
    consideredRevision,
    models: registered.map(({ manifest, registeredAt }) => {
      const { input, verdicts } = selectInput(study, manifest);
      return {
        modelId: manifest.model.modelId,
        version: manifest.model.version,
        registeredAt: registeredAt.toISOString(),
        seriesInstanceUid: input?.seriesInstanceUid ?? null,
        series: verdicts.map(({ seriesInstanceUid, reasons, seriesClass }) => ({
          seriesInstanceUid,
          instanceCount: instanceCounts.get(seriesInstanceUid) ?? 0,
          matches: seriesInstanceUid === input?.seriesInstanceUid,
          kind: seriesClass.kind,
          orientation: seriesClass.orientation ?? null,
          slices: seriesClass.stack?.order.length ?? null,
          sliceSpacingMm: seriesClass.stack?.spacingMm[2] ?? null,
          reasons,
          evidence: seriesClass.evidence,
        })),
      };
    }),
  };
}
