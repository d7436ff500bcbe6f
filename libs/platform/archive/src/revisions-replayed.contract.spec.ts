import { orSkip, startPostgres } from '@callosum/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { Hide } from './index.js';
import { hourMs, newUid, RejectedStudy } from './test-support/rejected-study.js';

const postgres = await orSkip(startPostgres);

/** A restored database obeys a later revision of a note before it finds the mark of an earlier one. */
describe.skipIf(postgres.missing)(
  `a note that was corrected before a restored database knew of it${postgres.missing ? ` (${postgres.missing})` : ''}`,
  () => {
    const scene = new RejectedStudy(postgres.server);
    const { blobsOf, letGo, loseDecisions, pass, remove, restore, send, shown, status } = scene;
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
    const erase = () => {
      pass(2 * hourMs);
      return scene.archive.erase();
    };
    /** A revision of the note, stored now. */
    const revise = (value: string, ...sops: string[]) => {
      const eraseAfterMs = value === '113039' ? hourMs : null;
      const code = { value, scheme: 'DCM' };
      return revisionOf({ reason: 'rejection-note', code, cause: newUid(), eraseAfterMs, actor: 'note' }, sops);
    };
    const revisionOf = (hide: Hide, sops: readonly string[], revisedAt = scene.clock.now()) =>
      scene.archive.tombstones.hideInstances(scene.study, sops.map(scene.ref), { ...hide, revisedAt });
    const rejectsNothing = () => {
      const how = { note: 'note', isWrong: () => true, cause: newUid(), leavesWord: true };
      return scene.archive.tombstones.unreject(scene.study, { ...how, revisedAt: scene.clock.now() });
    };

    it('hides and erases what it names now', async () => {
      await revise('113039', one, other);
      await loseDecisions();
      await revise('113039', one);
      await replay();
      expect(await shown()).toEqual([other]);
      expect((await status()).tombstones).toMatchObject([{ instances: 1 }, { instances: 0 }]);
      expect(await erase()).toBe(1);
      expect([await blobsOf(one), await blobsOf(other)]).toEqual([0, 1]);
    });

    it('hides nothing where it rejects nothing now', async () => {
      await revise('113037', one);
      await loseDecisions();
      await rejectsNothing();
      await replay();
      expect(await shown()).toEqual([one, other].sort());
    });

    it('lets what a person took back be shown that stayed hidden by it alone', async () => {
      await revise('113037', one);
      await remove();
      pass(1_000);
      await restore();
      expect(await shown()).toEqual([other]);
      await loseDecisions();
      await rejectsNothing();
      await replay();
      expect(await shown()).toEqual([one, other].sort());
      expect(await scene.told()).toContainEqual([one, other].sort());
      expect(await erase()).toBe(0);
    });

    it('lets what came again be shown that it alone kept hidden', async () => {
      await revise('113037', one);
      await letGo(one);
      pass(1_000);
      expect((await send(one)).status).toBe('duplicate');
      expect(await shown()).toEqual([other]);
      await loseDecisions();
      await rejectsNothing();
      await replay();
      expect(await shown()).toEqual([one, other].sort());
      expect(await erase()).toBe(0);
    });

    it('hides what its later revision names where the earlier one was obeyed again before that was found', async () => {
      const first = scene.clock.now();
      await revise('113037', one);
      pass(1_000);
      await revise('113037', one, other);
      await loseDecisions();
      const again: Hide = { reason: 'rejection-note', cause: newUid(), eraseAfterMs: null, actor: 'note' };
      await revisionOf(again, [one], first);
      await replay();
      expect(await shown()).toEqual([]);
    });

    it('is no matter of what other notes and retention said', async () => {
      await scene.reject('another', one);
      await letGo(other);
      await loseDecisions();
      await rejectsNothing();
      await replay();
      expect(await shown()).toEqual([]);
    });

    it('is obeyed in the order of its revisions by a ledger that is made anew', async () => {
      await revise('113037', one);
      pass(1_000);
      await revise('113037', other);
      const anew = await scene.another();
      await anew.archive.tombstones.replay();
      expect(await scene.said(anew)).toEqual(await scene.said());
      await anew.database.close();
    });
  },
);
