import { imaging } from '@callosum/contracts';
import type { Attributes, DicomJson } from '@callosum/dicom';
import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';

import { slice, store, uid } from './test-support/objects.js';
import { clearIndex, database, find, grpc, index, send, useIndex } from './test-support/study-index.js';

useIndex();
beforeEach(clearIndex);

const ask = (keys: Record<string, string>): Promise<DicomJson[]> =>
  find({
    level: imaging.QueryLevel.QUERY_LEVEL_STUDY,
    onlyRequested: true,
    matches: Object.entries(keys).map(([tag, value]) => ({ tag, value })),
  });
/** Name, Patient ID, issuer, birth date and sex of an answer; undefined for what has no value. */
const patientTags = ['00100010', '00100020', '00100021', '00100030', '00100040'];
const patientOf = (study: DicomJson | undefined): unknown[] => patientTags.map((tag) => study?.[tag]?.Value?.[0]);
/** All of it is asked for, beside the keys. */
const answersTo = async (keys: Record<string, string>): Promise<unknown[][]> =>
  (await ask({ ...Object.fromEntries(patientTags.map((tag) => [tag, ''])), ...keys })).map(patientOf);

it('a study is answered with the patient it is found by, also where its first instance says less', async () => {
  const anna = { PatientName: 'Müller', PatientID: 'P-7', PatientSex: '' };
  await send(slice('half', 'a', 1, { ...anna, PatientBirthDate: '' }));
  await send(
    slice('half', 'a', 2, { ...anna, PatientName: 'Müller^Anna', IssuerOfPatientID: 'HOSPITAL', PatientSex: 'F' }),
  );
  const whole = [{ Alphabetic: 'Müller^Anna' }, 'P-7', 'HOSPITAL', '19700131', 'F'];
  for (const keys of [
    { '00100020': 'P-7', '00100021': 'HOSPITAL' },
    { '00100010': 'MÜLLER^ANNA' },
    { '00100030': '19700131', '00100040': 'F' },
  ])
    expect(await answersTo(keys)).toEqual([whole]);
});

describe('a study whose objects contradict each other', () => {
  const anna: Attributes = {
    PatientName: 'A^ANNA',
    PatientID: '123',
    IssuerOfPatientID: '',
    PatientBirthDate: '19500101',
    PatientSex: '',
  };
  const berta: Attributes = {
    PatientName: 'B^BERTA',
    PatientID: '456',
    IssuerOfPatientID: 'HOSP',
    PatientBirthDate: '',
    PatientSex: 'F',
  };
  const onlyAnna = [{ Alphabetic: 'A^ANNA' }, '123', undefined, '19500101', undefined];

  it('is that of its first object in all attributes, and nobody is made of both', async () => {
    await send(slice('s', 'a', 1, anna));
    await send(slice('s', 'a', 2, berta));
    expect(await answersTo({ '0020000D': uid('s') })).toEqual([onlyAnna]);
    expect(await answersTo({ '00100020': '123' })).toEqual([onlyAnna]);
    // A third person, who may well be one of another hospital.
    expect(await answersTo({ '00100020': '123', '00100021': 'HOSP' })).toEqual([]);
    expect(await answersTo({ '00100010': 'A^ANNA', '00100040': 'F' })).toEqual([]);
    expect(await grpc().getDemographics({ studyInstanceUid: uid('s') })).toMatchObject({
      patientName: 'A^ANNA',
      patientId: '123',
      issuerOfPatientId: '',
      patientBirthDate: '19500101',
      patientSex: '',
      inconsistent: true,
    });
  });

  it('has no Patient ID where its first object has none', async () => {
    await send(slice('s', 'a', 1, { ...anna, PatientID: '' }));
    await send(slice('s', 'a', 2, berta));
    expect(await answersTo({ '0020000D': uid('s') })).toEqual([onlyAnna.with(1, undefined)]);
    expect(await answersTo({ '00100020': '456' })).toEqual([]);
  });

  it('is that of one of them where both were stored in the same moment, whichever came first', async () => {
    const at = new Date('2026-01-02T03:04:05Z');
    const [one, other] = [1, 2].sort((a, b) => (uid(`s/a/${a}`) < uid(`s/a/${b}`) ? -1 : 1)) as [number, number];
    // Whichever digests the two have: the first of them stands for the study both ways.
    for (const [first, second] of [
      [anna, berta],
      [berta, anna],
    ] as const) {
      await clearIndex();
      await index({ ...store(slice('s', 'a', other, second)), storedAt: at });
      await index({ ...store(slice('s', 'a', one, first)), storedAt: at });
      const [answer] = await answersTo({ '0020000D': uid('s') });
      expect(answer?.slice(0, 2)).toEqual([{ Alphabetic: first['PatientName'] }, first['PatientID']]);
      expect(await answersTo({ '00100020': String(first['PatientID']) })).toEqual([answer]);
    }
  });

  it('is that of its first object in the answer also where a version before took each attribute from another', async () => {
    await send(slice('s', 'a', 1, anna));
    await send(slice('s', 'a', 2, berta));
    await sql`update study set issuer_of_patient_id = 'HOSP', patient_sex = 'F'`.execute(database.db);
    expect(await answersTo({ '0020000D': uid('s') })).toEqual([onlyAnna]);
  });
});
