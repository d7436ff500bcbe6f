import { connect, type Database, migrate } from '@callosum/database';
import type { Attributes } from '@callosum/dicom';
import { eventTablesMigrations, PostgresOutbox } from '@callosum/event-log';
import { systemClock } from '@callosum/kernel';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { dimseIngestMigrations } from './adapters/migrations.js';
import { PostgresProcedureSteps } from './adapters/postgres-procedure-steps.js';
import type { StepLimits } from './adapters/step-room.js';
import type { DimseIngestTables } from './adapters/tables.js';
import { ChangeProcedureStep } from './application/change-procedure-step.js';
import { GetProcedureStep } from './application/get-procedure-step.js';
import { begun, ended, performed, received, scheduled } from './test-support/procedure-steps.js';

/** The use cases of procedure steps on a real PostgreSQL. */
describe('procedure steps', () => {
  let postgres: TestPostgres;
  let database: Database<DimseIngestTables>;
  const outbox = new PostgresOutbox({ service: 'dimse-ingest' });

  beforeAll(async () => {
    postgres = await startPostgres();
    database = connect<DimseIngestTables>(await postgres.createDatabase(), 'public', () => undefined);
    await migrate(database.db as never, 'public', { ...eventTablesMigrations, ...dimseIngestMigrations });
  });
  afterAll(async () => {
    await database?.close();
    await postgres?.stop();
  });
  beforeEach(async () => {
    await sql`truncate procedure_step, procedure_step_room, outbox`.execute(database.db);
  });

  const steps = () => new PostgresProcedureSteps(database, outbox);
  const change = () => new ChangeProcedureStep(steps(), systemClock);
  const request = (attributes: Attributes, sopInstanceUid = '1.2.9') => ({
    associationId: 'a1',
    callingAet: 'CT1',
    sopInstanceUid,
    attributes: received(attributes),
  });
  const get = (tags?: string[]) => new GetProcedureStep(steps()).execute('1.2.9', tags);
  const facts = async (): Promise<(readonly unknown[])[]> => {
    const { rows } = await sql<{ topic: string; key: string; value: string; correlation_id: string }>`
      select topic, key, value, correlation_id from outbox order by id`.execute(database.db);
    return rows.map(({ topic, key, value, correlation_id }) => {
      const { status, stepRevision } = JSON.parse(value) as { status: string; stepRevision: number };
      return [topic, key, stepRevision, status.replace('PROCEDURE_STEP_STATUS_', ''), correlation_id];
    });
  };
  const topic = 'imaging.procedure-step.changed.v1';

  it('are created, set and got, each change told once', async () => {
    expect(await change().create(request(begun()))).toBe('changed');
    expect(await change().set(request(ended()))).toBe('changed');
    expect(await facts()).toEqual([
      [topic, '1.2.3', 1, 'IN_PROGRESS', 'a1'],
      [topic, '1.2.3', 2, 'COMPLETED', 'a1'],
    ]);
    const all = await get();
    expect(all['00100010']?.Value).toEqual([{ Alphabetic: 'Müller^Anna' }]);
    expect(all['00400252']?.Value).toEqual(['COMPLETED']);
    expect(await get(['00400252', '00400253', '00080070'])).toEqual({
      '00400252': { vr: 'CS', Value: ['COMPLETED'] },
      '00400253': { vr: 'SH', Value: ['PPS1'] },
    });
  });

  it('are told to every study they name', async () => {
    const items = ['1.2.3', '1.2.4'].map(scheduled);
    await change().create(request(begun({ ScheduledStepAttributesSequence: items })));
    expect((await facts()).map(([, key]) => key)).toEqual(['1.2.3', '1.2.4']);
  });

  it('take a request again whose response was lost, and tell nobody', async () => {
    for (let sent = 0; sent < 3; sent++) await change().create(request(begun()));
    for (let sent = 0; sent < 3; sent++) await change().set(request(ended()));
    // The creation again, after the end: what created it is known, and it stays ended.
    expect(await change().create(request(begun()))).toBe('repeated');
    expect((await facts()).map(([, , revision]) => revision)).toEqual([1, 2]);
    expect((await get(['00400252']))['00400252']?.Value).toEqual(['COMPLETED']);
  });

  it('refuse another step under a known UID, a change after the end, and what they do not know', async () => {
    await expect(get()).rejects.toMatchObject({ code: 'dimse-ingest.no-such-procedure-step' });
    await expect(change().set(request(ended()))).rejects.toMatchObject({ code: 'dimse-ingest.no-such-procedure-step' });
    await change().create(request(begun()));
    await expect(change().create(request(begun({ PatientID: 'P-2' })))).rejects.toMatchObject({
      code: 'dimse-ingest.duplicate-procedure-step',
    });
    await change().set(request(ended()));
    const more = ended({ PerformedSeriesSequence: [performed('1.2.3.1', ['1.2.3.1.9'])] });
    await expect(change().set(request(more))).rejects.toMatchObject({ code: 'dimse-ingest.procedure-step-ended' });
    expect(await facts()).toHaveLength(2);
  });

  it('leave nothing of a request that fails', async () => {
    const refused = () => Promise.reject(new Error('the outbox is full'));
    const full = { add: refused, addAll: refused };
    const failing = new ChangeProcedureStep(new PostgresProcedureSteps(database, full), systemClock);
    await expect(failing.create(request(begun()))).rejects.toThrow('full');
    await expect(get()).rejects.toMatchObject({ code: 'dimse-ingest.no-such-procedure-step' });
  });

  it('are created once when requests race, and no change of theirs is lost', async () => {
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => change().create(request(begun()))));
    expect(outcomes.filter((outcome) => outcome === 'changed')).toHaveLength(1);
    await Promise.all(
      Array.from({ length: 8 }, (_, i) => change().set(request({ PerformedProcedureStepDescription: `part ${i}` }))),
    );
    const revisions = (await facts()).map(([, , revision]) => revision);
    expect(revisions).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('keep text as it came, NUL too', async () => {
    await change().create(request(begun({ PerformedProcedureStepDescription: 'a\0b' })));
    expect((await get(['00400254']))['00400254']?.Value).toEqual(['a\0b']);
  });

  it('are forgotten after their retention, by their index', async () => {
    await change().create(request(begun()));
    await change().create(request(begun(), '1.2.10'));
    await sql`update procedure_step set updated_at = now() - interval '91 days' where sop_instance_uid = '1.2.10'`.execute(
      database.db,
    );
    expect(await steps().forget(90)).toBe(1);
    expect(await steps().find('1.2.10')).toBeUndefined();
    expect(await steps().find('1.2.9')).toBeDefined();
  });

  describe('that are many', () => {
    const limited = (ofAll: StepLimits, ofOne: StepLimits) =>
      new ChangeProcedureStep(new PostgresProcedureSteps(database, outbox, ofAll, ofOne), systemClock);
    const plenty = { steps: 100, bytes: 1_000_000 };
    const from = (callingAet: string, sopInstanceUid: string, attributes = begun()) => ({
      ...request(attributes, sopInstanceUid),
      callingAet,
    });
    const full = { code: 'dimse-ingest.too-many-procedure-steps', kind: 'unavailable' };

    it('are refused past the limit of their AE, and those of another one are taken; all together have a limit, too', async () => {
      const change = limited({ steps: 3, bytes: 1_000_000 }, { steps: 2, bytes: 1_000_000 });
      await change.create(from('CT1', '1.2.9.1'));
      await change.create(from('CT1', '1.2.9.2'));
      await expect(change.create(from('CT1', '1.2.9.3'))).rejects.toMatchObject(full);
      await change.create(from('MR1', '1.2.9.4'));
      await expect(change.create(from('MR1', '1.2.9.5'))).rejects.toMatchObject(full);
      expect(await facts()).toHaveLength(3);
      // A known step can end, and its creation be repeated.
      expect(await change.create(from('CT1', '1.2.9.2'))).toBe('repeated');
      expect(await change.set(from('CT1', '1.2.9.2', ended()))).toBe('changed');
    });

    it('are refused past the bytes of their AE, whether created or set', async () => {
      const change = limited(plenty, { steps: 100, bytes: 20_000 });
      const long = { CommentsOnThePerformedProcedureStep: 'x'.repeat(9_000) };
      await change.create(from('CT1', '1.2.9.1', begun(long)));
      await change.create(from('CT1', '1.2.9.2'));
      await expect(change.create(from('CT1', '1.2.9.3', begun(long)))).rejects.toMatchObject(full);
      await expect(change.set(from('CT1', '1.2.9.2', long))).rejects.toMatchObject(full);
      await change.create(from('MR1', '1.2.9.4', begun(long)));
      // What a change makes shorter is room again.
      await change.set(from('CT1', '1.2.9.1', { CommentsOnThePerformedProcedureStep: 'short' }));
      await change.set(from('CT1', '1.2.9.2', long));
    });

    it('give their room back when they are forgotten', async () => {
      const change = limited(plenty, { steps: 1, bytes: 20_000 });
      await change.create(from('CT1', '1.2.9.1'));
      await expect(change.create(from('CT1', '1.2.9.2'))).rejects.toMatchObject(full);
      await sql`update procedure_step set updated_at = now() - interval '91 days'`.execute(database.db);
      expect(await steps().forget(90)).toBe(1);
      const { rows } = await sql`select * from procedure_step_room`.execute(database.db);
      expect(rows).toEqual([]);
      await change.create(from('CT1', '1.2.9.2'));
    });
  });
});
