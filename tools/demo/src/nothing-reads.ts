import { setTimeout as sleep } from 'node:timers/promises';

import type { Outcome, StageWatcher } from './stages.js';
import type { System } from './system.js';

const pollMs = 500;
const answerMsMax = 10_000;
/** How long the log may be behind the answer of a service that handled the same fact; longer, it told of it before this start. */
const toldMsMax = 10_000;

/** What `GET /api/inference/selection/{study}` tells, as far as it is read here. */
export interface Selection {
  readonly revision: number;
  readonly consideredRevision: number | null;
  readonly models: readonly {
    readonly modelId: string;
    readonly version: string;
    readonly registeredAt: string;
    readonly seriesInstanceUid: string | null;
    readonly series: readonly {
      readonly seriesInstanceUid: string;
      readonly instanceCount: number;
      readonly reasons: readonly string[];
    }[];
  }[];
}

/**
 * Resolves when it is certain that no model reads the study, with the reason per model and series: every instance that was
 * stored is indexed, the study is complete, and the models were decided for that very revision. Never resolves otherwise.
 * The stage before comes first: this answer and the log's facts come by different ways.
 */
export async function nothingReads(
  system: Pick<System, 'inferenceUrl' | 'workers' | 'startedAt'>,
  watcher: Pick<StageWatcher, 'storedCount' | 'toldComplete'>,
  studyInstanceUid: string,
  stop: AbortSignal,
): Promise<Outcome> {
  for (let certainAt: number | undefined; ;) {
    await sleep(pollMs, undefined, { signal: stop });
    const selection = await ask(system.inferenceUrl, studyInstanceUid, stop);
    if (!selection) continue;
    const failure = whyUnread(selection, watcher.storedCount(studyInstanceUid), system);
    if (failure === undefined) continue;
    certainAt ??= Date.now();
    const told = watcher.toldComplete(studyInstanceUid, selection.revision) || Date.now() - certainAt > toldMsMax;
    if (told) return { failure };
  }
}

/** Why no model will read the study; undefined while one may. */
export function whyUnread(
  { revision, consideredRevision, models }: Selection,
  storedCount: number,
  { workers, startedAt }: Pick<System, 'workers' | 'startedAt'>,
): string | undefined {
  // An open revision: instances are still on their way, and its own completion decides.
  if (consideredRevision !== revision) return undefined;
  if (models.length === 0) {
    return workers ? undefined : 'no model has registered (--no-workers starts none), so none reads it';
  }
  if (models.some(({ seriesInstanceUid }) => seriesInstanceUid !== null)) return undefined;
  // The worker that was just started may bring another version than the one remembered.
  if (workers && !models.some(({ registeredAt }) => new Date(registeredAt) >= startedAt)) return undefined;
  const indexedCount = Math.max(...models.map(({ series }) => sum(series.map((one) => one.instanceCount))));
  if (indexedCount < storedCount) return undefined;
  const lines = models.flatMap(({ modelId, version, series }) =>
    series.map(
      ({ seriesInstanceUid, instanceCount, reasons }) =>
        `  ${modelId} ${version} does not read series ${seriesInstanceUid} (${instanceCount} instances): ${reasons.join(', ')}`,
    ),
  );
  return [`no model reads any of its series`, ...lines].join('\n');
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

/** Undefined when it is not known yet, or the service does not answer just now. */
async function ask(inferenceUrl: string, studyInstanceUid: string, stop: AbortSignal): Promise<Selection | undefined> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(answerMsMax)]);
  try {
    const response = await fetch(`${inferenceUrl}/api/inference/selection/${studyInstanceUid}`, { signal });
    return response.ok ? ((await response.json()) as Selection) : undefined;
  } catch (error) {
    if (stop.aborted) throw error;
    return undefined;
  }
}
