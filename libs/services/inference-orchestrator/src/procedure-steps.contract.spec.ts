import { imaging, topics } from '@callosum/contracts';
import { newId } from '@callosum/kernel';
import { tinySeries } from '@callosum/phantom';
import { describe, expect, it } from 'vitest';

import { fresh } from './test-support/fixtures.js';
import { stepUid, until } from './test-support/orchestrator.js';
import { orchestrator, registered, useOrchestrator } from './test-support/use-orchestrator.js';
import type { WorkerForTests } from './test-support/worker.js';

/** One for each test: a job that is left over goes to whoever serves its model next. */
const early = ['starts-early', 'starts-early-too'] as const;
useOrchestrator({ CALLOSUM_MODELS_AT_SERIES: early.join(', ') });

const {
  PROCEDURE_STEP_STATUS_COMPLETED: COMPLETED,
  PROCEDURE_STEP_STATUS_DISCONTINUED: DISCONTINUED,
  PROCEDURE_STEP_STATUS_IN_PROGRESS: IN_PROGRESS,
} = imaging.ProcedureStepStatus;

/** The instances are in the index, and nothing is told yet. */
async function shown(bytes: readonly Uint8Array[]): Promise<string> {
  let study = '';
  for (const one of bytes) study = await orchestrator.index.add(orchestrator.objects, one);
  return study;
}
const complete = (study: string, revision: number, steps: Parameters<typeof orchestrator.tellCompleted>[3]) =>
  orchestrator.tellCompleted(study, revision, newId(), steps);
const bytesOf = ({ bytes }: { readonly bytes: Uint8Array }): Uint8Array => bytes;
const jobsOf = (study: string) =>
  orchestrator.database.db
    .selectFrom('job')
    .select(['id', 'state', 'held_reason', 'model_id', 'study_revision'])
    .where('study_instance_uid', '=', study)
    .orderBy('scheduled_at')
    .execute();
/** A job that nothing holds was made after all others, and was offered; what `one` was offered until then has come. */
async function afterAnotherJob(one: WorkerForTests): Promise<void> {
  const { model, bytes } = fresh('unheld');
  const other = await registered(model);
  await orchestrator.complete(bytes);
  await other.takeOffer();
  one.heartbeat();
  await one.take('heartbeatAck');
}
/** A model that has just come has been offered all it will be of what completed before. */
const caughtUp = () =>
  until('the end of the backfill', async () => {
    const rows = await orchestrator.database.db
      .selectFrom('model')
      .select('model_id')
      .where('backfill_next_at', 'is not', null)
      .execute();
    return rows.length === 0 || undefined;
  });
const considered = (study: string, revision: number) =>
  until(`revision ${revision}`, async () => {
    const row = await orchestrator.database.db
      .selectFrom('study')
      .select('revision')
      .where('study_instance_uid', '=', study)
      .executeTakeFirst();
    return row?.revision === revision || undefined;
  });

describe('a job on a study whose procedure step was discontinued', () => {
  it('is offered to nobody, is seen, and goes to a worker once a person lets it go', async () => {
    const { model, bytes } = fresh('held');
    const one = await registered(model);
    const study = await shown(bytes);
    await complete(study, 1, [DISCONTINUED]);
    const [event] = await orchestrator.untilEvents(topics.jobScheduled, study);
    const jobId = event?.message.jobId ?? '';
    expect(await jobsOf(study)).toMatchObject([{ state: 'queued', held_reason: 'procedure-step-discontinued' }]);
    const answer = await orchestrator.get(`/api/inference/jobs?study=${study}`);
    expect(answer.body).toMatchObject({ jobs: [{ jobId, heldReason: 'procedure-step-discontinued' }] });
    // A worker with a free slot that looks for work, and finds none: a job that came later has been offered meanwhile.
    await afterAnotherJob(one);
    expect(one.received.filter(({ $case }) => $case === 'offer')).toEqual([]);
    expect(await orchestrator.post(`/api/inference/jobs/${jobId}/release`)).toMatchObject({ status: 200 });
    expect((await one.takeOffer()).jobId).toBe(jobId);
    expect((await orchestrator.post(`/api/inference/jobs/${jobId}/release`)).status).toBe(404);
    expect((await orchestrator.post('/api/inference/jobs/1/release')).status).toBe(404);
  });

  it('is released by a revision with a completed step, and is the same job', async () => {
    const { model, bytes } = fresh('again');
    const one = await registered(model);
    const study = await shown(bytes);
    await complete(study, 1, [DISCONTINUED]);
    const [event] = await orchestrator.untilEvents(topics.jobScheduled, study);
    await complete(study, 2, [DISCONTINUED, COMPLETED]);
    expect((await one.takeOffer()).jobId).toBe(event?.message.jobId);
    expect(await jobsOf(study)).toHaveLength(1);
  });

  it('is held too for a model that registers later', async () => {
    const { model, bytes } = fresh('later');
    const study = await shown(bytes);
    await complete(study, 1, [DISCONTINUED]);
    await considered(study, 1);
    await registered(model);
    await orchestrator.untilEvents(topics.jobScheduled, study);
    expect(await jobsOf(study)).toMatchObject([{ state: 'queued', held_reason: 'procedure-step-discontinued' }]);
  });
});

describe('a procedure step that is discontinued while a job of its study waits', () => {
  const heldReasons = async (study: string) => (await jobsOf(study)).map(({ held_reason }) => held_reason);
  const untilHeld = (study: string, reason: string | null) =>
    until(`held: ${reason}`, async () => (await heldReasons(study))[0] === reason || undefined);
  /** A study that completed, with its job: no worker is there to take it. */
  async function waiting(name: string) {
    const { model, bytes } = fresh(name);
    const one = await registered(model);
    one.close();
    await one.ended;
    const study = await shown(bytes);
    await complete(study, 1, []);
    const [event] = await orchestrator.untilEvents(topics.jobScheduled, study);
    return { model, study, jobId: event?.message.jobId ?? '' };
  }

  it('holds it though the study is complete, until a step is completed', async () => {
    const { model, study, jobId } = await waiting('after');
    await orchestrator.tellStep({ studyInstanceUid: study, status: DISCONTINUED });
    await untilHeld(study, 'procedure-step-discontinued');
    const one = await registered(model);
    one.heartbeat();
    // Another step that only begins is no examination done again, nor is an older word of the first.
    await orchestrator.tellStep({
      studyInstanceUid: study,
      procedureStepUid: stepUid(1),
      stepRevision: 1,
      status: IN_PROGRESS,
    });
    await orchestrator.tellStep({ studyInstanceUid: study, stepRevision: 1, status: IN_PROGRESS });
    await complete(study, 2, []);
    await considered(study, 2);
    expect(await heldReasons(study)).toEqual(['procedure-step-discontinued']);
    expect(one.received.filter(({ $case }) => $case === 'offer')).toEqual([]);
    await orchestrator.tellStep({ studyInstanceUid: study, procedureStepUid: stepUid(1), status: COMPLETED });
    expect((await one.takeOffer()).jobId).toBe(jobId);
  });

  it('holds it with the revision that tells of the step, where its input is the same', async () => {
    const { study } = await waiting('revision');
    await complete(study, 2, [DISCONTINUED]);
    await untilHeld(study, 'procedure-step-discontinued');
    expect(await jobsOf(study)).toMatchObject([{ study_revision: 1 }]);
  });

  it('leaves alone what a person let go', async () => {
    const { study, jobId } = await waiting('let-go');
    await orchestrator.tellStep({ studyInstanceUid: study, status: DISCONTINUED });
    await untilHeld(study, 'procedure-step-discontinued');
    expect(await orchestrator.post(`/api/inference/jobs/${jobId}/release`)).toMatchObject({ status: 200 });
    await orchestrator.tellStep({ studyInstanceUid: study, procedureStepUid: stepUid(1), status: DISCONTINUED });
    await complete(study, 2, [DISCONTINUED]);
    await considered(study, 2);
    expect(await heldReasons(study)).toEqual([null]);
  });

  it('lets a running attempt end, and offers no further one', async () => {
    const { model, study } = await waiting('running');
    const one = await registered(model);
    await one.takeOffer();
    await orchestrator.tellStep({ studyInstanceUid: study, status: DISCONTINUED });
    await untilHeld(study, 'procedure-step-discontinued');
    one.close();
    await until('the end of the attempt', async () => (await jobsOf(study))[0]?.state === 'queued' || undefined);
    expect(await heldReasons(study)).toEqual(['procedure-step-discontinued']);
  });

  const discontinuationReason = { value: '110514', scheme: 'DCM' };

  it('for a wrong worklist entry stays held beside a completed one, in whatever order they are told', async () => {
    const { study } = await waiting('wrong-entry');
    await orchestrator.tellStep({ studyInstanceUid: study, status: DISCONTINUED, discontinuationReason });
    await untilHeld(study, 'procedure-step-wrong-entry');
    await orchestrator.tellStep({ studyInstanceUid: study, procedureStepUid: stepUid(1), status: COMPLETED });
    await complete(study, 2, [{ status: DISCONTINUED, discontinuationReason }, COMPLETED]);
    await considered(study, 2);
    expect(await heldReasons(study)).toEqual(['procedure-step-wrong-entry']);

    const other = await waiting('wrong-entry-later');
    await orchestrator.tellStep({ studyInstanceUid: other.study, procedureStepUid: stepUid(1), status: COMPLETED });
    await complete(other.study, 2, [{ status: DISCONTINUED, discontinuationReason }, COMPLETED]);
    await untilHeld(other.study, 'procedure-step-wrong-entry');
    expect(await orchestrator.post(`/api/inference/jobs/${other.jobId}/release`)).toMatchObject({ status: 200 });
    expect(await heldReasons(other.study)).toEqual([null]);
  });

  it('for a wrong worklist entry is held anew, where it was let go before anybody knew of it, and says why', async () => {
    const { study, jobId } = await waiting('wrong-entry-after');
    await orchestrator.tellStep({ studyInstanceUid: study, status: DISCONTINUED });
    await untilHeld(study, 'procedure-step-discontinued');
    const wrong = { studyInstanceUid: study, status: DISCONTINUED, discontinuationReason } as const;
    await orchestrator.tellStep({ ...wrong, procedureStepUid: stepUid(1) });
    await untilHeld(study, 'procedure-step-wrong-entry');
    expect(await orchestrator.post(`/api/inference/jobs/${jobId}/release`)).toMatchObject({ status: 200 });
    await orchestrator.tellStep({ ...wrong, procedureStepUid: stepUid(2) });
    await complete(study, 2, [DISCONTINUED]);
    await considered(study, 2);
    expect(await heldReasons(study)).toEqual([null]);

    const early = await waiting('let-go-before');
    await orchestrator.tellStep({ studyInstanceUid: early.study, status: DISCONTINUED });
    await untilHeld(early.study, 'procedure-step-discontinued');
    expect(await orchestrator.post(`/api/inference/jobs/${early.jobId}/release`)).toMatchObject({ status: 200 });
    await orchestrator.tellStep({ ...wrong, studyInstanceUid: early.study, procedureStepUid: stepUid(1) });
    await untilHeld(early.study, 'procedure-step-wrong-entry');
  });

  it('is not released by its step being forgotten', async () => {
    const { study } = await waiting('forgotten');
    await orchestrator.tellStep({ studyInstanceUid: study, status: DISCONTINUED });
    await untilHeld(study, 'procedure-step-discontinued');
    await orchestrator.database.db.deleteFrom('procedure_step').where('study_instance_uid', '=', study).execute();
    await complete(study, 2, []);
    await considered(study, 2);
    expect(await heldReasons(study)).toEqual(['procedure-step-discontinued']);
    await complete(study, 3, [COMPLETED]);
    await untilHeld(study, null);
  });
});

describe('a model that starts at the series', () => {
  const ofModel = (modelId: string) => {
    const { model, bytes, bodyPart } = fresh('other');
    if (!model.model) throw new Error('absent');
    return { bytes, bodyPart, other: model, model: { ...model, model: { ...model.model, modelId } } };
  };

  it('gets its job before the study is complete, once; others wait', async () => {
    const { bytes, other, model } = ofModel(early[0]);
    const waiting = await registered(other);
    const one = await registered(model);
    const study = await shown(bytes);
    const [series = ''] = orchestrator.index.seriesOf(study);
    await orchestrator.tellSeriesCompleted({ studyInstanceUid: study, seriesInstanceUid: series });
    const offer = await one.takeOffer();
    expect(offer.seriesInstanceUid).toBe(series);
    expect((await jobsOf(study)).map(({ model_id }) => model_id)).toEqual([early[0]]);
    await complete(study, 1, [COMPLETED]);
    expect((await waiting.takeOffer()).studyInstanceUid).toBe(study);
    expect((await jobsOf(study)).map(({ model_id }) => model_id).sort()).toEqual(
      [other.model?.modelId, early[0]].sort(),
    );
  });

  it('gets none from a series of a discontinued step, nor once the revision is complete', async () => {
    const { bodyPart, model } = ofModel(early[1]);
    const study = () => shown(tinySeries({ salt: newId(), overrides: { BodyPartExamined: bodyPart } }).map(bytesOf));
    const [brokenOff, done, control] = [await study(), await study(), await study()];
    // Known before: what completes now is not offered to it again when it reads other body parts.
    const first = await registered(ofModel(early[1]).model);
    await caughtUp();
    await complete(done, 1, []);
    await considered(done, 1);
    first.close();
    const one = await registered(model);
    const tell = (studyInstanceUid: string, discontinued: boolean) => {
      const [seriesInstanceUid = ''] = orchestrator.index.seriesOf(studyInstanceUid);
      return orchestrator.tellSeriesCompleted({ studyInstanceUid, seriesInstanceUid, discontinued });
    };
    await tell(brokenOff, true);
    await tell(done, false);
    await tell(control, false);
    expect((await one.takeOffer()).studyInstanceUid).toBe(control);
    expect([...(await jobsOf(brokenOff)), ...(await jobsOf(done))]).toEqual([]);
  });
});
