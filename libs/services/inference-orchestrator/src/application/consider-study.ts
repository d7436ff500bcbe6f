import type { Manifest } from '../domain/manifest.js';
import { decideJobs } from '../domain/scheduling.js';
import { type IndexedStudy, selectInput } from '../domain/selection.js';
import type { StudyJobs } from './scheduling-ports.js';

export interface Scheduled {
  readonly jobIds: readonly string[];
  readonly supersededIds: readonly string[];
}

/**
 * Decides which models read a complete study, and leaves the jobs that follow. Doing it again changes nothing.
 * @param models those to decide for
 */
export async function considerStudy(
  jobs: StudyJobs,
  study: IndexedStudy,
  revision: number,
  models: readonly Manifest[],
): Promise<Scheduled> {
  const jobIds: string[] = [];
  const supersededIds: string[] = [];
  for (const manifest of models) {
    const { input } = selectInput(study, manifest);
    const { modelId, version } = manifest.model;
    const { supersede, setAside, schedule } = decideJobs(await jobs.existing(modelId), input?.inputDigest, version);
    for (const id of supersede) await jobs.supersede(id);
    if (setAside.length > 0) await jobs.setAside(setAside);
    supersededIds.push(...supersede);
    if (schedule && input) jobIds.push(await jobs.schedule(manifest, input, revision));
  }
  return { jobIds, supersededIds };
}

/**
 * Decides which of these models read a series that is whole before its study. A model that has a job on the study gets
 * none: what it should read once everything is there is for the study's completion to say, which finds this job as any.
 */
export async function considerSeries(
  jobs: StudyJobs,
  study: IndexedStudy,
  { seriesInstanceUid, revision }: { readonly seriesInstanceUid: string; readonly revision: number },
  models: readonly Manifest[],
): Promise<readonly string[]> {
  const alone = { ...study, series: study.series.filter((series) => series.seriesInstanceUid === seriesInstanceUid) };
  const jobIds: string[] = [];
  for (const manifest of models) {
    const { input } = selectInput(alone, manifest);
    if (!input || (await jobs.existing(manifest.model.modelId)).length > 0) continue;
    jobIds.push(await jobs.schedule(manifest, input, revision));
  }
  return jobIds;
}
