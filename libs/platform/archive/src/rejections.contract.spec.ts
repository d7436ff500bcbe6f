import { orSkip, startPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { type Archive, NothingKeptError, RejectedError } from './index.js';
import { hourMs, newUid, person, RejectedStudy, restorer } from './test-support/rejected-study.js';

const postgres = await orSkip(startPostgres);

describe.skipIf(postgres.missing)(`what a note rejected${postgres.missing ? ` (${postgres.missing})` : ''}`, () => {
  const scene = new RejectedStudy(postgres.server);
  const { letGo, named, pass, publish, published, ref, reject, rejectAs } = scene;
  const { remove, restore, said, send, shown, status, stored, told, unreject, withdraw } = scene;
  let archive: Archive;
  let study: string;
  /** Rejected, and beside it. */
  let one: string;
  let other: string;

  beforeAll(() => scene.open());
  afterAll(() => scene.close());
  beforeEach(async () => {
    ({ archive, study, one, other } = await scene.begin());
  });

  it.each([
    ['before', () => reject('note', one).then(() => remove())],
    ['after', () => remove().then(() => reject('note', one))],
  ])('stays hidden when a study is restored that was deleted, where the note came %s that', async (_when, hide) => {
    await hide();
    expect(await status()).toMatchObject({ hidden: 2, rejected: 1, eraseAt: new Date(scene.now + hourMs) });
    expect(await restore()).toMatchObject({ instances: 1 });
    expect(await shown()).toEqual([other]);
    expect(await told()).toEqual([[other]]);
    // As if nobody had deleted it: evidence is not erased, and what is sent again stays hidden.
    expect(await status()).toMatchObject({ shown: 1, hidden: 1, rejected: 1, eraseAt: undefined });
    pass(2 * hourMs);
    expect(await archive.erase()).toBe(0);
    await send(one);
    expect(await shown()).toEqual([other]);
  });

  it('is shown again by who names it, and then no more rejected', async () => {
    await reject('note', one, other);
    await expect(restore()).rejects.toThrow(RejectedError);
    const series = { studyInstanceUid: study, seriesInstanceUid: `${study}.1` };
    await expect(archive.tombstones.restore(series, restorer)).rejects.toThrow(RejectedError);
    await archive.tombstones.restore({ ...series, sopInstanceUid: one }, restorer);
    expect(await shown()).toEqual([one]);
    expect(await restore({ rejected: true })).toMatchObject({ instances: 1 });
    expect(await shown()).toEqual([one, other].sort());
    await expect(restore({ rejected: true })).rejects.toThrow(NothingKeptError);
    await remove();
    expect(await restore()).toMatchObject({ instances: 2 });
    expect(await status()).toMatchObject({ shown: 2, rejected: 0 });
  });

  it('is not erased when the deletion of what is rejected as a whole is taken back, of which nobody is told', async () => {
    await reject('note', one, other);
    await remove();
    expect(await restore()).toMatchObject({ instances: 0 });
    expect(await told()).toEqual([]);
    expect(await status()).toMatchObject({ shown: 0, rejected: 2, eraseAt: undefined });
    await expect(restore()).rejects.toThrow(RejectedError);
  });

  it('belongs to its note again when the deletion is taken back, and the note may take it back', async () => {
    await reject('note', one);
    await remove();
    await restore();
    expect(await unreject()).toMatchObject({ instances: 1 });
    expect(await shown()).toEqual([one, other].sort());
  });

  it('and deleted stays deleted when its note is corrected, and is shown by whoever takes the deletion back', async () => {
    await remove();
    await reject('note', one);
    expect(await unreject()).toMatchObject({ instances: 0 });
    expect(await status()).toMatchObject({ shown: 0, hidden: 2, rejected: 0, eraseAt: new Date(scene.now + hourMs) });
    expect(await unreject()).toMatchObject({ sequence: undefined });
    expect(await restore()).toMatchObject({ instances: 2 });
    expect(await told()).toEqual([[one, other].sort()]);
  });

  it('stays hidden when its note comes between the look and the lock of a restore', async () => {
    await remove();
    scene.objects.beforeMark = () => reject('note', one);
    expect(await restore()).toMatchObject({ instances: 1 });
    expect(await shown()).toEqual([other]);
  });

  it('takes its results with it: they are shown again when Callosum publishes them again', async () => {
    const [own, late] = [newUid(), newUid()];
    await archive.issue([own, late]);
    await publish(own);
    await publish(late);
    await reject('note', one);
    await withdraw(own);
    await remove();
    // It takes note of a deletion only when that is done.
    await withdraw(own, late);
    expect(await withdraw(own, late)).toMatchObject({
      instances: 0,
    });
    expect(await restore()).toMatchObject({ instances: 1 });
    expect(await shown()).toEqual([other]);
    await publish(own);
    await publish(late);
    expect(await shown()).toEqual([other, own, late].sort());
    expect(await restore({ rejected: true })).toMatchObject({ instances: 1 });
  });

  it('may come again after its deletion is taken back, where the note let it (113039)', async () => {
    await rejectAs('113039', 'note', one);
    await remove();
    await restore();
    expect(await shown()).toEqual([other]);
    await send(one);
    expect(await shown()).toEqual([one, other].sort());
  });

  it('is published again when its note named results, too, and names nothing any more', async () => {
    const own = await published();
    await reject('note', one, own);
    await withdraw(own);
    await publish(own);
    expect(await shown()).toEqual([other]);
    await unreject();
    expect(await shown()).toEqual([one, other].sort());
    await publish(own);
    expect(await shown()).toEqual([one, other, own].sort());
  });

  it.each(['before', 'after', 'after its withdrawal'])(
    'and a result that a person deleted %s stays deleted when the note is corrected',
    async (when) => {
      const own = await published();
      const deleted = () => archive.tombstones.hideInstances(study, [ref(own)], person);
      if (when === 'before') await deleted();
      await reject('note', one, own);
      if (when === 'after') await deleted();
      await withdraw(own);
      if (when === 'after its withdrawal') await deleted();
      await unreject();
      await publish(own);
      expect(await shown()).toEqual([one, other].sort());
      await archive.tombstones.restore(named(own), restorer);
      expect(await shown()).toEqual([one, other, own].sort());
    },
  );

  it('and let go by retention may be sent again once its note is corrected', async () => {
    await letGo(one);
    await reject('note', one);
    await send(one);
    expect(await shown()).toEqual([other]);
    await unreject();
    await send(one);
    expect(await shown()).toEqual([one, other].sort());
  });

  it('is evidence and not erased once its note says that it is no matter of retention, and the other way round', async () => {
    await rejectAs('113039', 'note', one);
    expect(await status()).toMatchObject({ eraseAt: new Date(scene.now + hourMs) });
    await rejectAs('113037', 'note', one);
    expect(await status()).toMatchObject({ rejected: 1, eraseAt: undefined });
    await send(one);
    expect(await shown()).toEqual([other]);
    await rejectAs('113039', 'note', one);
    await send(one);
    expect(await shown()).toEqual([one, other].sort());
  });

  it('goes when its note said so, whoever restores the rest', async () => {
    await rejectAs('113039', 'note', one);
    await expect(restore()).rejects.toThrow(RejectedError);
    expect(await status()).toMatchObject({ eraseAt: new Date(scene.now + hourMs) });
  });

  it('and withdrawn comes again when it is published, and not when a PACS sends its copy (113039)', async () => {
    const own = await published();
    await rejectAs('113039', 'note', one, own);
    await withdraw(own);
    await remove();
    await restore();
    await send(own, 'PACS');
    expect(await shown()).toEqual([other]);
    await publish(own);
    expect(await shown()).toEqual([other, own].sort());
  });

  it('is known of rows that are older than it was said of them', async () => {
    await reject('note', one);
    await sql`update withheld_instance set rejected = false, rejecting_note = null
      where study_instance_uid = ${study}`.execute(scene.here.database.db);
    await remove();
    await restore();
    expect(await shown()).toEqual([other]);
    expect(await unreject()).toMatchObject({ instances: 1 });
  });

  it('is rejected in a ledger too that is made again from the blobs', async () => {
    const third = await stored();
    await reject('note', one, third);
    await remove();
    pass(1_000);
    await archive.tombstones.unreject(study, { note: 'note', isWrong: (sop) => sop === third });
    pass(1_000);
    await restore();
    const again = await scene.another();
    try {
      for await (const progress of again.archive.reconcile(0, () => Promise.resolve(100_000))) void progress;
      expect(await shown(again.archive)).toEqual([other, third].sort());
      expect(await status(again.archive)).toMatchObject({ shown: 2, rejected: 1, eraseAt: undefined });
      expect(await said(again)).toEqual(await said());
    } finally {
      await again.database.close();
    }
  });
});
