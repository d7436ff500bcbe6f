import { createHash } from 'node:crypto';

import { inference } from '@callosum/contracts';
import type { Clock } from '@callosum/kernel';

import { InvalidResultError, StaleFencingTokenError } from '../domain/errors.js';
import { checkResult } from '../domain/result.js';
import type { Artifacts, Attempts, HeldJob, Job, LabelMaps } from './ports.js';

/** What a report and an SR can still hold; a frame of the worker's stream takes twice as much. */
const resultBytesMax = 500_000;

export interface CompleteJobDependencies {
  readonly attempts: Attempts;
  readonly labelMaps: LabelMaps;
  readonly artifacts: Artifacts;
  readonly clock: Clock;
}

/**
 * Takes a worker's result. The first accepted one wins; the same result again under the same token is accepted again,
 * for a worker that lost the answer. A result that does not hold together ends the attempt.
 * @throws {StaleFencingTokenError} @throws {InvalidResultError}
 */
export async function completeJob(
  { attempts, labelMaps, artifacts, clock }: CompleteJobDependencies,
  held: HeldJob,
  result: inference.InferenceResult,
): Promise<Job> {
  const resultDigest = digestOf(result);
  const job = await attempts.find(held.jobId);
  if (!job || job.fencingToken !== held.fencingToken) throw new StaleFencingTokenError(held.jobId);
  if (job.state === 'completed' && job.resultDigest === resultDigest) return job;
  if (job.state !== 'running') throw new StaleFencingTokenError(held.jobId);
  const stored = await labelMaps.labelsOf(job.id);
  try {
    checkResult(result, {
      grid: job.grid,
      outputs: job.manifest.outputs,
      labelMaps: stored,
      scheduledAt: job.scheduledAt,
      now: clock.now(),
    });
    if (JSON.stringify(inference.InferenceResult.toJSON(result)).length > resultBytesMax)
      throw new InvalidResultError(`the result is larger than ${resultBytesMax} bytes`);
  } catch (error) {
    if (error instanceof InvalidResultError) await attempts.fail(held, 'invalid-result', { ours: error.message });
    throw error;
  }
  const keyed = await Promise.all(
    result.labelMaps.map(async (map) => ({
      ...map,
      artifactKey: (await labelMaps.keyOf(job.id, map.sha256)) ?? '',
    })),
  );
  const artifact = await artifacts.store(job.id, inference.InferenceResult.toJSON({ ...result, labelMaps: keyed }));
  const labelMapKey = keyed[0]?.artifactKey;
  const accepted = await attempts.complete(job, { artifact, digest: resultDigest, labelMapKey });
  if (!accepted) throw new StaleFencingTokenError(held.jobId);
  return job;
}

/** Over the canonical result: ProtoJSON with sorted names, where the label map is its digest and not its place. */
export function digestOf(result: inference.InferenceResult): string {
  const placeless = { ...result, labelMaps: result.labelMaps.map((map) => ({ ...map, artifactKey: '' })) };
  return createHash('sha256')
    .update(canonicalJson(inference.InferenceResult.toJSON(placeless)))
    .digest('hex');
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
