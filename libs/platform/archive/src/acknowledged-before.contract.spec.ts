import { orSkip, startPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { Hide } from './index.js';
import { hourMs, RejectedStudy } from './test-support/rejected-study.js';

const postgres = await orSkip(startPostgres);

describe.skipIf(postgres.missing)(
  `what a restored database said is kept${postgres.missing ? ` (${postgres.missing})` : ''}`,
  () => {
    const scene = new RejectedStudy(postgres.server);
    const { blobsOf, letGo, loseDecisions, pass, publish, published, reject, rejectAs } = scene;
    const { remove, restore, send, shown, status, withdraw } = scene;
    /** Said to be kept, and beside it. */
    let one: string;
    let other: string;

    beforeAll(() => scene.open());
    afterAll(() => scene.close());
    beforeEach(async () => {
      ({ one, other } = await scene.begin());
      // What was due before.
      await erase();
    });

    const erase = async (): Promise<number> => {
      await scene.archive.tombstones.replay();
      pass(2 * hourMs);
      return scene.archive.erase();
    };
    const promised = async (...sops: string[]): Promise<string[]> =>
      [...(await scene.archive.keptClasses(sops)).keys()].sort();

    describe.each([
      ['retention', () => letGo(one, other)],
      ['a note for retention', () => rejectAs('113039', 'note', one, other)],
      [
        'retention, and a note, which it knows,',
        async () => [await reject('note', one, other), await letGo(one, other)],
      ],
    ])('is erased by no decision it learns of later: %s', (_who, decide) => {
      it.each([
        ['a sender that sends it again', async () => expect((await send(one)).status).toBe('duplicate')],
        ['who asks for commitment', async () => expect(await promised(one)).toEqual([one])],
      ])('to %s', async (_whom, ask) => {
        await decide();
        await loseDecisions();
        await ask();
        expect(await erase()).toBe(1);
        expect([await blobsOf(one), await blobsOf(other)]).toEqual([1, 0]);
        await restore({ rejected: true });
        expect(await shown()).toEqual([one]);
      });
    });

    it('is erased at no time of retention once a note, which keeps it, speaks after that', async () => {
      await letGo(one, other);
      await loseDecisions();
      await send(one);
      await scene.archive.tombstones.replay();
      pass(1_000);
      await reject('note', one, other);
      expect(await erase()).toBe(1);
      expect([await blobsOf(one), await blobsOf(other)]).toEqual([1, 0]);
      expect(await erase()).toBe(0);
    });

    it('is erased at the time of who decided after that, and not at an earlier one', async () => {
      await rejectAs('113039', 'note', one, other);
      await loseDecisions();
      await send(one);
      await scene.archive.tombstones.replay();
      pass(1_000);
      const retention: Hide = { reason: 'retention', actor: 'retention', eraseAfterMs: 10 * hourMs };
      await scene.archive.tombstones.hideInstances(scene.study, [one, other].map(scene.ref), retention);
      const eraseAt = new Date(scene.now + 10 * hourMs);
      expect(await erase()).toBe(1);
      expect([await blobsOf(one), await blobsOf(other)]).toEqual([1, 0]);
      expect(await status()).toMatchObject({ eraseAt, erased: 1 });
      pass(8 * hourMs);
      expect(await erase()).toBe(1);
      expect([await blobsOf(one), await status()]).toMatchObject([0, { erased: 2 }]);
    });

    it('is erased at the time of a person who deletes it after that, and not at the one that spared it', async () => {
      await rejectAs('113039', 'note', one, other);
      await loseDecisions();
      await send(one);
      await scene.archive.tombstones.replay();
      pass(1_000);
      await remove({ eraseAfterMs: 10 * hourMs });
      expect(await erase()).toBe(1);
      expect([await blobsOf(one), await blobsOf(other)]).toEqual([1, 0]);
      pass(8 * hourMs);
      expect(await erase()).toBe(1);
      expect(await blobsOf(one)).toBe(0);
    });

    it('is kept where it knew that a note has it as evidence', async () => {
      await reject('note', one);
      pass(1_000);
      const before = await scene.archive.tombstones.status(scene.study);
      await letGo(one);
      const { db } = scene.here.database;
      await sql`delete from tombstone where study_instance_uid = ${scene.study} and reason = 'retention'`.execute(db);
      await sql`update withheld_instance set sequence = ${before.sequence}, parts_at = ${before.sequence},
        reason = 'rejection-note', note = 'note', erase_at = null, others_erase_at = null
        where study_instance_uid = ${scene.study}`.execute(db);
      pass(1_000);
      expect((await send(one)).status).toBe('duplicate');
      expect(await erase()).toBe(0);
      expect(await blobsOf(one)).toBe(1);
    });

    it('is said beside others that say it of the same in another order, store into its study and hide it', async () => {
      const many: string[] = [];
      for (let count = 0; count < 40; count++) many.push(await scene.stored());
      const answers = Array.from({ length: 8 }, (_, at) => promised(...(at % 2 === 0 ? many : many.toReversed())));
      await Promise.all([
        ...answers,
        ...many.map((sop) => send(sop)),
        ...many.map((sop) => send(sop, 'CT1', { PatientComments: 'corrected' })),
        remove(),
      ]);
      expect(await promised(...many)).toEqual([]);
    });

    it('goes with what is decided after that', async () => {
      await letGo(one);
      await loseDecisions();
      await send(one);
      await promised(other);
      pass(1_000);
      await letGo(one, other);
      expect(await erase()).toBe(2);
    });

    it('goes where a person deleted it', async () => {
      await remove();
      await loseDecisions();
      await send(one);
      await promised(other);
      expect(await erase()).toBe(2);
    });

    it('is nothing that stays hidden: a deletion, and what a PACS sends of a withdrawn result', async () => {
      await letGo(one);
      await remove();
      const own = await published();
      await withdraw(own);
      await letGo(own);
      pass(1_000);
      expect((await send(one)).status).toBe('duplicate');
      expect((await send(own, 'PACS')).status).not.toBe('stored');
      expect(await promised(one, own)).toEqual([]);
      expect(await erase()).toBeGreaterThanOrEqual(3);
      expect([await blobsOf(one), await blobsOf(own)]).toEqual([0, 0]);
      await publish(own);
      expect(await shown()).toEqual([own]);
    });

    it('is not what is hidden while somebody looks for its bytes', async () => {
      scene.objects.afterHead = () => remove();
      expect(await promised(one)).toEqual([]);
    });
  },
);
