import { topics, worker } from '@callosum/contracts';
import { describe, expect, it } from 'vitest';

import { fresh, simpleResult } from './test-support/fixtures.js';
import { until } from './test-support/orchestrator.js';
import { orchestrator, registered, useOrchestrator } from './test-support/use-orchestrator.js';
import { held, type WorkerForTests } from './test-support/worker.js';

const attemptsMax = 2;
useOrchestrator({ CALLOSUM_JOB_ATTEMPTS_MAX: String(attemptsMax) });

const jobsOf = (study: string) =>
  orchestrator.database.db
    .selectFrom('job')
    .select(['id', 'state', 'attempts', 'error_code'])
    .where('study_instance_uid', '=', study)
    .orderBy('scheduled_at')
    .execute();

const considered = (study: string, revision: number) =>
  until(`revision ${revision}`, async () => {
    const row = await orchestrator.database.db
      .selectFrom('study')
      .select('revision')
      .where('study_instance_uid', '=', study)
      .executeTakeFirst();
    return row?.revision === revision || undefined;
  });

/** Takes an offer, reads its volume and gives a result. */
async function work(one: WorkerForTests): Promise<worker.JobOffer> {
  const offer = await one.takeOffer();
  await one.readVolume(held(offer));
  one.send({ $case: 'complete', value: { ...held(offer), result: simpleResult } });
  await one.take('accepted');
  return offer;
}

/** Takes an offer whose images are not those that the job was made with. */
async function findChanged(one: WorkerForTests): Promise<worker.JobOffer> {
  const offer = await one.takeOffer();
  await expect(one.readVolume(held(offer))).rejects.toThrow(/inference\.input-changed/);
  return offer;
}

describe('a job whose input is withheld', () => {
  it('is superseded by a revision without instances, and comes again with them', async () => {
    const { model, bytes } = fresh('withheld');
    const one = await registered(model);
    const study = await orchestrator.complete(bytes);
    const offer = await one.takeOffer();
    orchestrator.index.withhold(study);
    await orchestrator.tellCompleted(study, 2);
    const [failed] = await orchestrator.untilEvents(topics.jobFailed, study);
    expect(failed?.message).toMatchObject({ jobId: offer.jobId, reason: 'JOB_FAILURE_REASON_SUPERSEDED' });
    await orchestrator.complete(bytes, 3);
    const again = await one.takeOffer();
    expect(again.jobId).not.toBe(offer.jobId);
    expect(again.seriesInstanceUid).toBe(offer.seriesInstanceUid);
  });

  it.each([
    ['of whose series some images are hidden', 1],
    ['of whose study all images are hidden', undefined],
  ])('%s waits for the revision that supersedes it, however often a worker reads meanwhile', async (_what, count) => {
    const { model, series, bytes } = fresh('read-meanwhile');
    const one = await registered(model);
    const study = await orchestrator.complete(bytes);
    await orchestrator.untilEvents(topics.jobScheduled, study);
    const uids = series.map(({ sopInstanceUid }) => sopInstanceUid);
    orchestrator.index.withhold(study, count === undefined ? uids : uids.slice(0, count));
    const first = await findChanged(one);
    for (let times = 0; times < attemptsMax; times++) expect((await findChanged(one)).jobId).toBe(first.jobId);
    expect(await jobsOf(study)).toEqual([
      { id: first.jobId, state: 'queued', attempts: 0, error_code: 'input-changed' },
    ]);
    await orchestrator.tellCompleted(study, 2);
    const [failed] = await orchestrator.untilEvents(topics.jobFailed, study);
    expect(failed?.message).toMatchObject({ jobId: first.jobId, reason: 'JOB_FAILURE_REASON_SUPERSEDED' });
    // What the model makes of a part of the series answers nothing that is asked of the whole.
    if (count) await work(one);
    await orchestrator.complete(bytes, 3);
    const again = await work(one);
    expect(again.jobId).not.toBe(first.jobId);
    expect((await jobsOf(study)).at(-1)).toMatchObject({ id: again.jobId, state: 'completed' });
  });

  it('goes on where its images are shown again before any revision', async () => {
    const { model, series, bytes } = fresh('moment');
    const one = await registered(model);
    const study = await orchestrator.complete(bytes);
    await orchestrator.untilEvents(topics.jobScheduled, study);
    orchestrator.index.withhold(
      study,
      series.slice(2).map(({ sopInstanceUid }) => sopInstanceUid),
    );
    const { jobId } = await findChanged(one);
    await orchestrator.complete(bytes, 2);
    expect(await work(one)).toMatchObject({ jobId, attempt: 1 });
    expect(await jobsOf(study)).toMatchObject([{ id: jobId, state: 'completed' }]);
  });
});

describe('a job that failed while its images were hidden', () => {
  const fail = async (one: WorkerForTests, kind: worker.FailureKind, times: number): Promise<void> => {
    for (let at = 0; at < times; at++)
      one.send({ $case: 'fail', value: worker.FailJob.fromPartial({ ...held(await one.takeOffer()), kind }) });
  };

  it('is made again with them; not so one that its input does not suffice for', async () => {
    const { model, bytes } = fresh('failed');
    const one = await registered(model);
    const study = await orchestrator.complete(bytes);
    await fail(one, worker.FailureKind.FAILURE_KIND_TRANSIENT, attemptsMax);
    await orchestrator.untilEvents(topics.jobFailed, study);
    orchestrator.index.withhold(study);
    await orchestrator.tellCompleted(study, 2);
    await considered(study, 2);
    await orchestrator.complete(bytes, 3);
    await fail(one, worker.FailureKind.FAILURE_KIND_INPUT_UNUSABLE, 1);
    await orchestrator.untilEvents(topics.jobFailed, study, 2);
    orchestrator.index.withhold(study);
    await orchestrator.tellCompleted(study, 4);
    await considered(study, 4);
    await orchestrator.complete(bytes, 5);
    await considered(study, 5);
    expect(await jobsOf(study)).toMatchObject([{ state: 'superseded' }, { state: 'failed' }]);
    // Told once of each.
    expect(await orchestrator.events(topics.jobFailed, study)).toHaveLength(2);
  });
});
