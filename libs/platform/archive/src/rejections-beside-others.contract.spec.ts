import { orSkip, startPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { hourMs, newUid, RejectedStudy, restorer } from './test-support/rejected-study.js';

const postgres = await orSkip(startPostgres);

describe.skipIf(postgres.missing)(`what others hide too${postgres.missing ? ` (${postgres.missing})` : ''}`, () => {
  const scene = new RejectedStudy(postgres.server);
  const { letGo, pass, publish, published, reject, rejectAs } = scene;
  const { remove, restore, send, shown, status, unreject, withdraw } = scene;
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

  it.each([
    [
      'a note for retention named it since',
      async (own: string) => [await withdraw(own), await rejectAs('113039', 'n2', own)],
    ],
    [
      'retention let it go since, and its note is corrected',
      async (own: string) => [await reject('note', one, own), await withdraw(own), await letGo(own), await unreject()],
    ],
    [
      'retention lets the study go',
      async (own: string) => [await reject('note', one), await withdraw(own), await letGo(one, other, own)],
    ],
  ])(
    'and Callosum withdrew comes again when it is published, and not by the copy of a PACS: %s',
    async (_what, hide) => {
      const own = await published();
      await hide(own);
      await send(own, 'PACS');
      expect(await shown()).not.toContain(own);
      await publish(own);
      expect(await shown()).toContain(own);
    },
  );

  it('and retention let go may be sent again once its note says that it is a matter of retention after all', async () => {
    await reject('note', one);
    await letGo(one);
    await send(one);
    expect(await shown()).toEqual([other]);
    await rejectAs('113039', 'note', one);
    await send(one);
    expect(await shown()).toEqual([one, other].sort());
  });

  it('and Callosum withdrew is published again once its note says that it is a matter of retention after all', async () => {
    const own = await published();
    await reject('note', own);
    await withdraw(own);
    await rejectAs('113039', 'note', own);
    await publish(own);
    expect(await shown()).toEqual([one, other, own].sort());
  });

  it('and a person deleted stays hidden, whatever its note says', async () => {
    await reject('note', one);
    await remove();
    await rejectAs('113039', 'note', one);
    await send(one);
    expect(await shown()).toEqual([]);
  });

  it('is taken back by its note as far as it may, when a person comes between the look and the lock', async () => {
    await reject('note', one);
    scene.objects.beforeMark = () => remove();
    expect(await unreject()).toMatchObject({ instances: 0 });
    expect(await status()).toMatchObject({ shown: 0, rejected: 0 });
    await restore();
    expect(await shown()).toEqual([one, other].sort());
  });

  it('stays hidden when a later revision of its note is obeyed between the look and the lock of an earlier one', async () => {
    await reject('note', one);
    const cause = `${scene.study}/3`;
    scene.objects.beforeMark = () =>
      scene.archive.tombstones.hideInstances(scene.study, [scene.ref(one), scene.ref(other)], {
        ...{ reason: 'rejection-note', actor: 'note', eraseAfterMs: null, cause },
      });
    const earlier = {
      note: 'note',
      isWrong: () => true,
      isOvertakenBy: (by: readonly { cause: string }[]) => by.some((one) => one.cause === cause),
    };
    expect(await scene.archive.tombstones.unreject(scene.study, earlier)).toMatchObject({ sequence: undefined });
    expect(await shown()).toEqual([]);
  });

  it('is shown still when a later revision of its note is obeyed between the look and the lock of one that hides it', async () => {
    await reject('note', one);
    const cause = `${scene.study}/3`;
    const takesBack = { note: 'note', isWrong: () => true, cause };
    scene.objects.beforeMark = () => scene.archive.tombstones.unreject(scene.study, takesBack);
    const named = [one, other].map(scene.ref);
    const earlier = { reason: 'rejection-note', actor: 'note', eraseAfterMs: null, cause: `${scene.study}/2` } as const;
    const isOvertakenBy = (by: readonly { cause: string }[]) => by.some((one) => one.cause === cause);
    for (let delivered = 0; delivered < 2; delivered++)
      expect(
        await scene.archive.tombstones.hideInstances(scene.study, named, { ...earlier, isOvertakenBy }),
      ).toMatchObject({ sequence: undefined });
    expect(await shown()).toEqual([one, other].sort());
  });

  it.each(['', '1.2.3'])(
    'is of the series that shows it, whatever its note says of that: "%s"',
    async (seriesInstanceUid) => {
      const late = newUid();
      const named = [one, other, late].map((sopInstanceUid) => ({ seriesInstanceUid, sopInstanceUid }));
      const hide = { reason: 'rejection-note', actor: 'note', eraseAfterMs: null } as const;
      await scene.archive.tombstones.hideInstances(scene.study, named, hide);
      await send(late);
      await scene.archive.tombstones.restore(scene.named(one), restorer);
      expect(await shown()).toEqual([one]);
      const { sopInstanceUid: _all, ...series } = scene.named(one);
      await scene.archive.tombstones.restore(series, { ...restorer, rejected: true });
      expect(await shown()).toEqual([one, other, late].sort());
    },
  );

  it.each([
    [
      'Callosum withdrew it too',
      async (own: string) => [await rejectAs('113039', 'note', one, own), await withdraw(own)],
    ],
    [
      'another note rejects it too',
      async (own: string) => [await rejectAs('113039', 'note', one, own), await reject('n2', one, own)],
    ],
  ])(
    'is evidence and not erased once its note is corrected to no matter of retention, where %s',
    async (_too, hide) => {
      const own = await published();
      await hide(own);
      await reject('note', one, own);
      expect(await status()).toMatchObject({ hidden: 2, eraseAt: undefined });
      await unreject();
      pass(2 * hourMs);
      await scene.archive.erase();
      expect(await status()).toMatchObject({ erased: 0 });
    },
  );

  it('is not erased by a note that was taken back', async () => {
    const own = await published();
    await rejectAs('113039', 'note', own);
    await withdraw(own);
    await unreject();
    pass(2 * hourMs);
    await scene.archive.erase();
    expect(await status()).toMatchObject({ erased: 0 });
  });

  it('and a person deleted goes at the time of that, whatever became of the note', async () => {
    await rejectAs('113039', 'note', one);
    pass(hourMs / 2);
    await remove();
    const eraseAt = new Date(scene.now + hourMs);
    expect(await status()).toMatchObject({ eraseAt: new Date(scene.now + hourMs / 2) });
    await reject('note', one);
    expect(await status()).toMatchObject({ eraseAt });
    await unreject();
    expect(await status()).toMatchObject({ rejected: 0, eraseAt });
  });

  describe('where a replica of an older version spoke in between', () => {
    /** It knows of no more than these. */
    const write = (reason: string, eraseAt: Date | null) =>
      sql`update withheld_instance set sequence = sequence + 1, withheld = true, reason = ${reason},
        admits_again = false, erase_at = ${eraseAt}, note = null
        where study_instance_uid = ${scene.study} and sop_instance_uid = ${one}`.execute(scene.here.database.db);

    it.each([
      ['corrected', () => unreject()],
      ['said to be a matter of retention', () => rejectAs('113039', 'note', one)],
    ])('stays hidden as a person deleted it when its note is %s', async (_what, correct) => {
      await reject('note', one);
      await write('person', null);
      await write('rejection-note', null);
      pass(1_000);
      await correct();
      await send(one);
      expect(await shown()).toEqual([other]);
    });

    it('is evidence as that said, also after a deletion that is taken back', async () => {
      await rejectAs('113039', 'note', one);
      await write('rejection-note', null);
      pass(1_000);
      await remove();
      await restore();
      await send(one);
      expect(await shown()).toEqual([other]);
    });

    it('goes when a person said so', async () => {
      await reject('note', one);
      const eraseAt = new Date(scene.now + hourMs);
      await write('person', eraseAt);
      pass(1_000);
      await reject('note', one);
      expect(await status()).toMatchObject({ eraseAt });
    });

    it('is published again after its note is corrected only once a person restored it', async () => {
      const own = await published();
      await reject('note', own);
      await withdraw(own);
      await sql`update withheld_instance set others_admit = null, parts_at = null
        where study_instance_uid = ${scene.study}`.execute(scene.here.database.db);
      await unreject();
      await publish(own);
      expect(await shown()).toEqual([one, other].sort());
      await restore();
      await publish(own);
      expect(await shown()).toEqual([one, other, own].sort());
    });
  });
});
