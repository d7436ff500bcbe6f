import { ModelNotFoundError } from '../domain/errors.js';
import { selectInput } from '../domain/selection.js';
import type { Models, Studies } from './ports.js';

export interface Explanation {
  readonly studyInstanceUid: string;
  readonly revision: number;
  readonly models: readonly {
    readonly modelId: string;
    readonly version: string;
    /** Null when none matches. */
    readonly seriesInstanceUid: string | null;
    readonly series: readonly {
      readonly seriesInstanceUid: string;
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
  { models, studies }: { readonly models: Models; readonly studies: Studies },
  studyInstanceUid: string,
  modelId: string | undefined,
): Promise<Explanation> {
  const registered = (await models.current()).filter(({ model }) => modelId === undefined || model.modelId === modelId);
  if (modelId !== undefined && registered.length === 0) throw new ModelNotFoundError();
  const study = await studies.study(studyInstanceUid);
  return {
    studyInstanceUid,
    revision: study.revision,
    models: registered.map((manifest) => {
      const { input, verdicts } = selectInput(study, manifest);
      return {
        modelId: manifest.model.modelId,
        version: manifest.model.version,
        seriesInstanceUid: input?.seriesInstanceUid ?? null,
        series: verdicts.map(({ seriesInstanceUid, reasons, seriesClass }) => ({
          seriesInstanceUid,
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
