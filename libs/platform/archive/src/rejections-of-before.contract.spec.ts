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
    const { blobsOf, letGo, pass, publish, published, reject, rejectAs } = scene;
    const { remove, restore, send, shown, status, unreject, withdraw } = scene;
    /** Beside what Callosum published. */
    let one: string;
    let other: string;
    let own: string;

    beforeAll(() => scene.open());
    afterAll(() => scene.close());
    beforeEach(async () => {
      ({ one, other } = await scene.begin());
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

    const corrected = { PatientComments: 'corrected' };
    const erase = (): Promise<number> => {
      pass(2 * hourMs);
      return scene.archive.erase();
    };

    describe.each([
      ['retention and a note', async () => [await letGo(one), await reject('note', one)]],
      ['a note and retention', async () => [await reject('note', one), await letGo(one)]],
    ])('by %s is kept', (_who, hide) => {
      // What was due before.
      beforeEach(erase);

      it.each([
        ['the same', {}, false],
        ['a correction', corrected, false],
        ['the same, after it was erased', {}, true],
        ['a correction, after it was erased', corrected, true],
      ])('where it comes again: %s', async (_again, more, isErased) => {
        await hide();
        await upgrade();
        if (isErased) expect(await erase()).toBe(1);
        pass(1_000);
        await send(one, 'CT1', more);
        expect(await shown()).toEqual([other, own].sort());
        const { sequence } = await status();
        expect((await send(one, 'CT1', more)).status).toBe('duplicate');
        expect(await status()).toMatchObject({ sequence, rejected: 1, eraseAt: undefined });
        expect(await erase()).toBe(0);
        await unreject();
        expect(await shown()).toEqual([one, other, own].sort());
      });

      it('where it came again before the upgrade', async () => {
        await send(one, 'CT1', corrected);
        await hide();
        await upgrade();
        await sql`update intake set stored_at = ${new Date(scene.now + 1_000)}
          where sop_instance_uid = ${one} and revision = 2`.execute(scene.here.database.db);
        expect(await erase()).toBe(1);
        expect(await blobsOf(one)).toBe(1);
      });

      it('where its note says since then that it is a matter of retention', async () => {
        await hide();
        await upgrade();
        await rejectAs('113039', 'note', one);
        pass(1_000);
        await send(one, 'CT1', corrected);
        expect(await erase()).toBe(1);
        expect(await blobsOf(one)).toBe(1);
      });

      it('but for what a person deleted too', async () => {
        await hide();
        await remove();
        await letGo(one);
        await upgrade();
        pass(1_000);
        await send(one, 'CT1', corrected);
        await erase();
        expect(await blobsOf(one)).toBe(0);
      });
    });
  },
);
