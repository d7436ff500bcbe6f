import { orSkip, startPostgres } from '@callosum/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { RejectedStudy } from './test-support/rejected-study.js';

const postgres = await orSkip(startPostgres);

describe.skipIf(postgres.missing)(`what others hide too${postgres.missing ? ` (${postgres.missing})` : ''}`, () => {
  const scene = new RejectedStudy(postgres.server);
  const { publish, published, reject, remove, restore, shown, unreject, withdraw } = scene;
  /** Rejected, and beside it. */
  let one: string;
  let other: string;

  beforeAll(() => scene.open());
  afterAll(() => scene.close());
  beforeEach(async () => {
    ({ one, other } = await scene.begin());
  });

  it('is published again once a deletion that erases nothing is taken back, and then the note', async () => {
    const own = await published();
    await reject('note', one, own);
    await remove({ eraseAfterMs: null });
    await withdraw(own);
    await restore();
    await unreject();
    await publish(own);
    expect(await shown()).toEqual([one, other, own].sort());
  });
});
