import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { type IdentityAttributes, studyIdentity } from './identity.js';

const base: IdentityAttributes = {
  patientId: 'P1',
  issuerOfPatientId: 'HOSP',
  issuerUniversalEntityId: '',
  issuerUniversalEntityIdType: '',
  patientName: 'Müller^Anna',
  patientBirthDate: '19700131',
  patientSex: 'F',
};

describe('identity of a study', () => {
  it('is the same however a name is spelled, and another when it is another name', () => {
    const digest = studyIdentity([base]).digest;
    expect(studyIdentity([{ ...base, patientName: 'MULLER^ANNA^^' }]).digest).toBe(digest);
    expect(studyIdentity([{ ...base, patientName: 'Miller^Anna' }]).digest).not.toBe(digest);
  });

  it.each(['^', '=', ' '])('takes a name with a megabyte of %j in one look', { timeout: 20_000 }, (character) => {
    const patientName = `A${character.repeat(1_000_000)}x`;
    expect(studyIdentity([{ ...base, patientName }]).patientName).toBe(patientName);
  });

  it.each<[keyof IdentityAttributes, string]>([
    ['patientId', 'P2'],
    ['patientId', ''],
    ['issuerOfPatientId', 'OTHER'],
    ['patientName', 'Miller^Anna'],
    ['patientBirthDate', '19700201'],
    ['patientSex', 'M'],
  ])('is inconsistent when instances differ in %s', (attribute, value) => {
    expect(studyIdentity([base, { ...base, [attribute]: value }]).inconsistent).toBe(true);
  });

  it.each<keyof IdentityAttributes>(['patientName', 'patientBirthDate', 'patientSex', 'issuerOfPatientId'])(
    'is not inconsistent when one instance has no %s',
    (attribute) => {
      const identity = studyIdentity([{ ...base, [attribute]: '' }, base]);
      expect(identity).toMatchObject({ ...base, inconsistent: false, digest: studyIdentity([base]).digest });
    },
  );

  it.each<[keyof IdentityAttributes, string]>([
    ['patientSex', 'O'],
    ['patientBirthDate', '1970'],
    ['patientBirthDate', '19700100'],
    ['patientName', 'Müller'],
    ['patientName', 'Müller^A'],
    ['patientName', 'Mueller^Anna'],
  ])('takes an instance whose %s is %j for one that says less, and keeps what says more', (attribute, value) => {
    for (const versions of [
      [{ ...base, [attribute]: value }, base],
      [base, { ...base, [attribute]: value }],
    ]) {
      const identity = studyIdentity(versions);
      expect(identity.inconsistent).toBe(false);
      if (value !== 'Mueller^Anna') expect(identity).toMatchObject({ ...base, digest: studyIdentity([base]).digest });
    }
  });

  it.each<[string, Partial<IdentityAttributes>, Partial<IdentityAttributes>]>([
    ['an issuer', { issuerOfPatientId: '', patientName: 'Doe^Jane' }, { patientId: 'P2' }],
    ['a Patient ID', { patientId: '', patientName: 'Doe^Jane' }, {}],
    ['a birth date', { patientId: 'P2', patientBirthDate: '' }, {}],
  ])('of contradicting accounts is the first, also where that lacks %s and the other has it', (_, one, other) => {
    const first = { ...base, ...one };
    expect(studyIdentity([first, { ...base, ...other }])).toMatchObject({ ...first, inconsistent: true });
    expect(studyIdentity([{ ...base, ...other }, first])).toMatchObject({ ...base, ...other, inconsistent: true });
  });

  it('does not depend on the order in which instances arrived', () => {
    const version = fc.record({
      patientId: fc.constantFrom('P1', 'P2', ''),
      issuerOfPatientId: fc.constantFrom('HOSP', ''),
      issuerUniversalEntityId: fc.constant(''),
      issuerUniversalEntityIdType: fc.constant(''),
      patientName: fc.constantFrom('Doe^Jane', 'DOE^JANE', 'Roe^Jane', 'Doe', 'Doe^J', 'Döe^Jane', ''),
      patientBirthDate: fc.constantFrom('19700131', '1970.01.31', '1970', ''),
      patientSex: fc.constantFrom('F', 'M', 'O', ''),
    });
    fc.assert(
      fc.property(fc.array(version, { minLength: 1, maxLength: 6 }), (versions) => {
        const one = studyIdentity(versions);
        const other = studyIdentity([...versions].reverse());
        expect([other.digest, other.inconsistent]).toEqual([one.digest, one.inconsistent]);
      }),
      { seed: 20261122, numRuns: 500 },
    );
  });
});
