import { topics } from '@callosum/contracts';
import { describe, expect, it } from 'vitest';

import { fresh } from './test-support/fixtures.js';
import { orchestrator, registered, useOrchestrator } from './test-support/use-orchestrator.js';

useOrchestrator();

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
});
