import { orSkip, startPostgres } from '@callosum/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { hourMs, newUid, RejectedStudy } from './test-support/rejected-study.js';

const postgres = await orSkip(startPostgres);

/** A restored database obeys a later revision of a note before it finds the mark of an earlier one. */
describe.skipIf(postgres.missing)(
  `a note that was corrected before a restored database knew of it${postgres.missing ? ` (${postgres.missing})` : ''}`,
  () => {
    const scene = new RejectedStudy(postgres.server);
    const { blobsOf, letGo, loseDecisions, pass, rejectAs, shown, status } = scene;
    /** Of a study of two. */
    let one: string;
    let other: string;

    beforeAll(() => scene.open());
    afterAll(() => scene.close());
    beforeEach(async () => {
      ({ one, other } = await scene.begin());
      await scene.archive.erase();
    });

    const replay = () => scene.archive.tombstones.replay();
    const rejectsNothing = () => {
      const { tombstones } = scene.archive;
      return tombstones.unreject(scene.study, { note: 'note', isWrong: () => true, cause: newUid(), leavesWord: true });
    };

    it('hides and erases what it names now', async () => {
      await rejectAs('113039', 'note', one, other);
      await loseDecisions();
      await rejectAs('113039', 'note', one);
      await replay();
      expect(await shown()).toEqual([other]);
      expect((await status()).tombstones).toMatchObject([{ instances: 1 }, { instances: 0 }]);
      pass(2 * hourMs);
      expect(await scene.archive.erase()).toBe(1);
      expect([await blobsOf(one), await blobsOf(other)]).toEqual([0, 1]);
    });

    it('hides nothing where it rejects nothing now', async () => {
      await rejectAs('113037', 'note', one);
      await loseDecisions();
      await rejectsNothing();
      await replay();
      expect(await shown()).toEqual([one, other].sort());
    });

    it('is no matter of what other notes and retention said', async () => {
      await rejectAs('113037', 'another', one);
      await letGo(other);
      await loseDecisions();
      await rejectsNothing();
      await replay();
      expect(await shown()).toEqual([]);
    });

    it('is obeyed in the order of its revisions by a ledger that is made anew', async () => {
      await rejectAs('113037', 'note', one);
      pass(1_000);
      await rejectAs('113037', 'note', other);
      const anew = await scene.another();
      await anew.archive.tombstones.replay();
      expect(await scene.said(anew)).toEqual(await scene.said());
      await anew.database.close();
    });
  },
);
