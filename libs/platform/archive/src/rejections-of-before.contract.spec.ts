import { orSkip, startPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { RejectedError } from './index.js';
import { hourMs, RejectedStudy } from './test-support/rejected-study.js';

const postgres = await orSkip(startPostgres);

/** Rows that are older than the parts of what they say. */
describe.skipIf(postgres.missing)(
  `what was hidden before an upgrade${postgres.missing ? ` (${postgres.missing})` : ''}`,
  () => {
    const scene = new RejectedStudy(postgres.server);
    const { letGo, pass, publish, published, reject, rejectAs } = scene;
    const { remove, restore, shown, status, unreject, withdraw } = scene;
    /** Beside what Callosum published. */
    let one: string;
    let own: string;

    beforeAll(() => scene.open());
    afterAll(() => scene.close());
    beforeEach(async () => {
      ({ one } = await scene.begin());
      own = await published();
    });

    const upgrade = () =>
      sql`update withheld_instance set others_admit = null, parts_at = null, rejection_erase_at = null,
        others_erase_at = null where study_instance_uid = ${scene.study}`.execute(scene.here.database.db);

    it('by Callosum alone is not restored, as what it withdraws since then, and is published again', async () => {
      await withdraw(own);
      await upgrade();
      const { sequence } = await status();
      await expect(restore()).rejects.toThrow(RejectedError);
      expect(await status()).toMatchObject({ sequence });
      await publish(own);
      expect(await shown()).toContain(own);
    });

    it('by Callosum and a person is restored as far as that goes', async () => {
      await remove();
      await withdraw(own);
      await upgrade();
      expect(await restore()).toMatchObject({ instances: 2 });
      await publish(own);
      expect(await shown()).toContain(own);
    });

    it.each([
      ['taken back', () => unreject()],
      ['corrected to no matter of retention', () => reject('note', own)],
    ])('by a note and Callosum alone is not erased once the note is %s', async (_what, correct) => {
      await rejectAs('113039', 'note', own);
      await withdraw(own);
      await upgrade();
      expect(await status()).toMatchObject({ eraseAt: new Date(scene.now + hourMs) });
      pass(1_000);
      await correct();
      expect(await status()).toMatchObject({ eraseAt: undefined });
      pass(2 * hourMs);
      await scene.archive.erase();
      expect(await status()).toMatchObject({ erased: 0 });
    });

    it('by a note and Callosum goes at the time of the note as long as that says so', async () => {
      await rejectAs('113039', 'note', own);
      await withdraw(own);
      await upgrade();
      const eraseAt = new Date(scene.now + hourMs);
      pass(1_000);
      await reject('n2', one);
      await letGo(own);
      expect(await status()).toMatchObject({ eraseAt });
    });

    it.each([
      ['retention', () => letGo(own)],
      ['a person', () => remove()],
    ])('by %s too goes at that time, whatever becomes of the note', async (_who, hide) => {
      await rejectAs('113039', 'note', own);
      await hide();
      await withdraw(own);
      await upgrade();
      const eraseAt = new Date(scene.now + hourMs);
      pass(1_000);
      await unreject();
      expect(await status()).toMatchObject({ eraseAt });
    });
  },
);
