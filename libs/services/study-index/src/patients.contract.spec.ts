import { beforeEach, describe, expect, it } from 'vitest';

import { asContention, forgetPatients } from './adapters/patients.js';
import { slice, store } from './test-support/objects.js';
import { clearIndex, completion, database, doneOrBlocked, index, send, useIndex } from './test-support/study-index.js';

useIndex();
beforeEach(clearIndex);

const patients = async (): Promise<string[]> => {
  const rows = await database.db.selectFrom('patient').select('patient_id').orderBy('patient_id').execute();
  return rows.map(({ patient_id }) => patient_id);
};
/** Takes everything of a patient out of the index. */
const leave = async (patientId: string): Promise<void> => {
  const { db } = database;
  const digests = db.selectFrom('patient').select('patient_digest').where('patient_id', '=', patientId);
  await db.deleteFrom('instance').where('patient_digest', 'in', digests).execute();
};

describe('a patient of whom nothing is indexed', () => {
  beforeEach(async () => {
    await send(slice('s', 'a', 1));
    await send(slice('t', 'a', 1, { PatientID: 'P-2' }));
    await leave('P-2');
  });

  it('is forgotten, and nobody else', async () => {
    expect(await patients()).toEqual(['P-1', 'P-2']);
    await completion().forgetPatients();
    expect(await patients()).toEqual(['P-1']);
  });

  it('is known again when it comes back at the moment it is forgotten', async () => {
    const stored = store(slice('t', 'a', 2, { PatientID: 'P-2' }));
    let coming: Promise<unknown> = Promise.resolve();
    await database.db.transaction().execute(async (trx) => {
      await forgetPatients(trx, '');
      coming = index(stored);
      await doneOrBlocked(coming);
    });
    expect(await coming).toBe('indexed');
    expect(await patients()).toEqual(['P-1', 'P-2']);
    // Forgotten between the two looks of one statement: a fact that meets this is handled again.
    const violation = Object.assign(new Error('violates foreign key constraint'), { code: '23503' });
    const contention = { code: 'study-index.contention', retriable: true };
    expect(asContention(violation, stored.sopInstanceUid)).toMatchObject(contention);
  });

  it('stays when it came back a moment before', async () => {
    const stored = store(slice('t', 'a', 2, { PatientID: 'P-2' }));
    let forgetting: Promise<void> = Promise.resolve();
    await index(stored, async () => {
      forgetting = completion().forgetPatients();
      await doneOrBlocked(forgetting);
    });
    await forgetting;
    expect(await patients()).toEqual(['P-1', 'P-2']);
  });
});
