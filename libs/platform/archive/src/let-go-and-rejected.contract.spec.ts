import { orSkip, startPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { hourMs, RejectedStudy, restorer } from './test-support/rejected-study.js';

const postgres = await orSkip(startPostgres);
const corrected = { PatientComments: 'corrected' };

describe.skipIf(postgres.missing)(
  `what retention let go and a note hides${postgres.missing ? ` (${postgres.missing})` : ''}`,
  () => {
    const scene = new RejectedStudy(postgres.server);
    const { blobsOf, letGo, pass, publish, published, reject, rejectAs } = scene;
    const { remove, send, shown, status, unreject, withdraw } = scene;
    /** Let go and rejected, and beside it. */
    let one: string;
    let other: string;

    beforeAll(() => scene.open());
    afterAll(() => scene.close());
    beforeEach(async () => {
      ({ one, other } = await scene.begin());
    });

    const erase = (): Promise<number> => {
      pass(2 * hourMs);
      return scene.archive.erase();
    };

    describe.each([
      ['let go first', async () => [await letGo(one), await reject('note', one)]],
      ['rejected first', async () => [await reject('note', one), await letGo(one)]],
      [
        'rejected by two notes',
        async () => [await rejectAs('113039', 'n2', one), await reject('note', one), await letGo(one)],
      ],
    ])('%s', (what, hide) => {
      it.each([
        ['the same', {}, false],
        ['a correction', corrected, false],
        ['the same, after it was erased', {}, true],
        ['a correction, after it was erased', corrected, true],
      ])('is kept as the note has it where it comes again: %s', async (_again, more, isErased) => {
        await hide();
        if (isErased) expect(await erase()).toBe(1);
        pass(1_000);
        await send(one, 'CT1', more);
        // It stays hidden, and is known from then on.
        expect(await shown()).toEqual([other]);
        const { sequence } = await status();
        expect((await send(one, 'CT1', more)).status).toBe('duplicate');
        expect(await status()).toMatchObject({ sequence, rejected: 1, eraseAt: undefined });
        expect(await erase()).toBe(0);
        if (what === 'rejected by two notes') await scene.archive.tombstones.restore(scene.named(one), restorer);
        else expect(await unreject()).toMatchObject({ instances: 1 });
        expect(await erase()).toBe(0);
        expect(await shown()).toEqual([one, other].sort());
        const [shownOne] = await scene.archive.locate({ studyInstanceUid: scene.study, sopInstanceUid: one });
        await scene.objects.head(shownOne?.blob_key ?? '');
      });
    });

    it('is not erased once its note was taken back that hid it when it came again', async () => {
      await letGo(one);
      await reject('note', one);
      pass(1_000);
      await send(one, 'CT1', corrected);
      await unreject();
      expect(await erase()).toBe(0);
      expect(await shown()).toEqual([one, other].sort());
    });

    it('is kept where it comes between the look and the lock of its retention', async () => {
      await reject('note', one);
      pass(1_000);
      scene.objects.beforeRevision = () => letGo(one);
      await send(one, 'CT1', corrected);
      expect(await erase()).toBe(0);
      expect(await blobsOf(one)).toBe(2);
    });

    it('is kept by a ledger too that is made again from the blobs', async () => {
      await letGo(one);
      await reject('note', one);
      pass(1_000);
      await send(one);
      pass(1_000);
      const again = await scene.another();
      try {
        for await (const progress of again.archive.reconcile(0, () => Promise.resolve(100_000))) void progress;
        expect(await scene.said(again)).toEqual(await scene.said());
        pass(2 * hourMs);
        expect(await again.archive.erase()).toBe(0);
        expect(await again.archive.tombstones.status(scene.study)).toMatchObject({ hidden: 1, erased: 0 });
      } finally {
        await again.database.close();
      }
    });

    it('is kept by a ledger too that is older than that it came again, after it was erased', async () => {
      await letGo(one);
      await reject('note', one);
      expect(await erase()).toBe(1);
      await send(one);
      const { db } = scene.here.database;
      await sql`delete from intake where sop_instance_uid = ${one} and revision = 2`.execute(db);
      await sql`update intake set current = true where sop_instance_uid = ${one}`.execute(db);
      expect(await blobsOf(one)).toBe(0);
      for await (const progress of scene.archive.reconcile(0, () => Promise.resolve(100_000))) void progress;
      expect(await blobsOf(one)).toBe(1);
      expect(await erase()).toBe(0);
      await unreject();
      expect(await shown()).toEqual([one, other].sort());
    });

    it('is kept where it came to a restored database before that learnt of both', async () => {
      await letGo(one);
      pass(1_000);
      await reject('note', one);
      await scene.loseDecisions();
      expect((await send(one, 'CT1', corrected)).status).toBe('correction');
      await scene.archive.tombstones.replay();
      expect(await shown()).toEqual([other]);
      expect(await erase()).toBe(1);
      expect(await blobsOf(one)).toBe(1);
    });

    it('is kept where the note hid it before this version knew of its parts', async () => {
      await reject('note', one);
      await sql`update withheld_instance set others_admit = null, parts_at = null, rejection_erase_at = null,
        others_erase_at = null where study_instance_uid = ${scene.study}`.execute(scene.here.database.db);
      await letGo(one);
      pass(1_000);
      await send(one);
      expect(await erase()).toBe(0);
      await unreject();
      expect(await shown()).toEqual([one, other].sort());
    });

    it('goes when a person deleted it too, also what came since', async () => {
      await letGo(one);
      await reject('note', one);
      await remove();
      pass(1_000);
      await send(one, 'CT1', corrected);
      expect(await erase()).toBe(3);
      expect(await blobsOf(one)).toBe(0);
    });

    it.each([
      ['before', async (own: string) => [await send(own, 'PACS', corrected), await withdraw(own), await letGo(own)]],
      [
        'after',
        async (own: string) => [await withdraw(own), await letGo(own), pass(1_000), await send(own, 'PACS', corrected)],
      ],
      [
        'after, and a note that rejects it, too,',
        async (own: string) => [
          await reject('note', own),
          await withdraw(own),
          await letGo(own),
          pass(1_000),
          await send(own, 'PACS', corrected),
        ],
      ],
    ])('goes with its result where it is the copy of a PACS that came %s that', async (_when, hide) => {
      const own = await published();
      await hide(own);
      expect(await blobsOf(own)).toBe(2);
      expect(await erase()).toBe(2);
      expect(await blobsOf(own)).toBe(0);
    });

    it('is kept where Callosum publishes it again, as its note has it', async () => {
      const own = await published();
      await reject('note', own);
      await withdraw(own);
      await letGo(own);
      pass(1_000);
      await send(own, 'PACS');
      expect(await status()).toMatchObject({ eraseAt: new Date(scene.now + hourMs - 1_000) });
      await publish(own);
      expect(await erase()).toBe(0);
      await unreject();
      await publish(own);
      expect(await shown()).toEqual([one, other, own].sort());
    });
  },
);
