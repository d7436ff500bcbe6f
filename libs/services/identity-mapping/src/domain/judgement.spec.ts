import { compareBirthDates, compareSex, type Patient } from '@callosum/fhir';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { identifierOf, isMalformed } from './identifier.js';
import { corroborate, objections, objectionsToSurvivor, type StudyDemographics } from './judgement.js';
import { provisionalPatient } from './patient.js';

const study: StudyDemographics = {
  patientId: 'P1',
  issuerOfPatientId: '',
  issuerUniversalEntityId: '',
  issuerUniversalEntityIdType: '',
  patientName: 'Doe^Jane',
  patientBirthDate: '19700131',
  patientSex: 'F',
  source: 'CT1',
  inconsistent: false,
  identityDigest: 'd',
};
const patient: Patient = {
  resourceType: 'Patient',
  name: [{ family: 'Doe', given: ['Jane'] }],
  birthDate: '1970-01-31',
  gender: 'female',
};
const judge = (more: Partial<StudyDemographics>, other: Partial<Patient> = {}) =>
  objections(corroborate({ ...study, ...more }, { ...patient, ...other }));

describe('birth dates', () => {
  it.each([
    ['19700131', '1970-01-31', 'agrees'],
    ['1970.01.31', '1970-01-31', 'agrees'],
    ['19700131', '1970-02-01', 'contradicts'],
    ['19700131', '1970', 'unknown'],
    ['19700131', '1971', 'contradicts'],
    ['1970', '1970-01-31', 'unknown'],
    ['19700000', '1970-01-31', 'unknown'],
    ['19700200', '1970-01-31', 'contradicts'],
    ['', '1970-01-31', 'unknown'],
    ['19700131', undefined, 'unknown'],
    ['19701331', '1970-01-31', 'unknown'],
  ])('%s and %s: %s', (da, birthDate, expected) => {
    expect(compareBirthDates(da, birthDate)).toBe(expected);
  });
});

describe('sex', () => {
  it.each([
    ['F', 'female', 'agrees'],
    ['M', 'female', 'contradicts'],
    ['O', 'female', 'unknown'],
    ['F', 'other', 'unknown'],
    ['F', 'unknown', 'unknown'],
    ['', 'male', 'unknown'],
    ['X', 'male', 'unknown'],
  ] as const)('%s and %s: %s', (sex, gender, expected) => {
    expect(compareSex(sex, gender)).toBe(expected);
  });
});

describe('a known identifier', () => {
  it('is believed when birth date or name agree and nothing contradicts', () => {
    expect(judge({})).toEqual([]);
    expect(judge({ patientBirthDate: '', patientSex: '' })).toEqual([]);
    expect(judge({ patientName: '', patientSex: 'O' })).toEqual([]);
  });

  it('is not believed on the sex alone', () => {
    expect(judge({ patientName: '', patientBirthDate: '' })).toEqual(['uncorroborated']);
    expect(judge({}, { name: [], birthDate: '1970' })).toEqual(['uncorroborated']);
  });

  it('is doubted for every contradiction, whatever else agrees', () => {
    expect(judge({ patientBirthDate: '19800101' })).toEqual(['birth-date-contradicts']);
    expect(judge({ patientSex: 'M' })).toEqual(['sex-contradicts']);
    expect(judge({ patientName: 'Roe^Jane' })).toEqual(['name-contradicts']);
    expect(judge({ patientBirthDate: '19800101', patientSex: 'M', patientName: 'Roe^Rick' })).toEqual([
      'birth-date-contradicts',
      'sex-contradicts',
      'name-contradicts',
    ]);
  });

  it('never links when any attribute contradicts, and always agrees with the Patient made of the same study', () => {
    const demographics = fc.record({
      patientName: fc.constantFrom('Doe^Jane', 'DOE^JANE^M', 'Roe^Rick', ''),
      patientBirthDate: fc.constantFrom('19700131', '19800101', '1970', ''),
      patientSex: fc.constantFrom('F', 'M', 'O', ''),
    });
    fc.assert(
      fc.property(demographics, demographics, (one, other) => {
        const ours = { ...study, ...one };
        const record = provisionalPatient({ ...study, ...other }, { system: 's', value: 'v' });
        const compared = corroborate(ours, record);
        const reasons = objections(compared);
        if (Object.values(compared).includes('contradicts')) expect(reasons.length).toBeGreaterThan(0);
        expect(Object.values(corroborate(ours, provisionalPatient(ours, { system: 's', value: 'v' })))).not.toContain(
          'contradicts',
        );
      }),
      { seed: 20261122, numRuns: 1_000 },
    );
  });
});

describe('the Patient that a linked one was merged into', () => {
  const reasonsOf = (more: Partial<Patient>, chosenByPerson = false) =>
    objectionsToSurvivor(study, { ...patient, ...more }, chosenByPerson).reasons;

  it('is believed on the word of the record, also when it says little', () => {
    expect(reasonsOf({})).toEqual([]);
    expect(objectionsToSurvivor(study, {}, false).reasons).toEqual([]);
  });

  it('is doubted for every contradiction, unless a person had chosen', () => {
    expect(reasonsOf({ birthDate: '1980-01-01' })).toEqual(['birth-date-contradicts']);
    expect(reasonsOf({ gender: 'male', name: [{ family: 'Roe', given: ['Rick'] }] })).toEqual([
      'sex-contradicts',
      'name-contradicts',
    ]);
    expect(reasonsOf({ birthDate: '1980-01-01' }, true)).toEqual([]);
  });

  it('needs evidence of the study, where rules decide', () => {
    expect(objectionsToSurvivor(undefined, patient, false).reasons).toEqual(['uncorroborated']);
  });
});

describe('the identifier of a study', () => {
  const of = (more: Partial<StudyDemographics>, issuers = {}) =>
    identifierOf({ ...study, ...more }, 'default', issuers);

  it('is missing without a Patient ID', () => {
    expect(of({ patientId: ' ' })).toBeUndefined();
  });

  it.each<Partial<StudyDemographics>>([
    { patientId: 'NUL\0ID' },
    { patientId: 'ID\n' },
    { patientId: 'I\uFFFDD' },
    { patientId: 'I\ud800D' },
    { patientId: 'ID\u00a0' },
    { patientId: 'I\u3000D' },
    { issuerOfPatientId: 'HO\x1bSP' },
    { issuerUniversalEntityId: '1.2\t.3', issuerUniversalEntityIdType: 'ISO' },
  ])('is none with characters that would make one of two: %j', (more) => {
    expect(of(more)).toBeUndefined();
    expect(isMalformed({ ...study, ...more })).toBe(true);
  });

  it('may hold letters of any script', () => {
    expect(isMalformed({ ...study, patientId: 'Ü-東京 7' })).toBe(false);
    expect(of({ patientId: 'Ü-東京 7' })).toMatchObject({ value: 'Ü-東京 7' });
  });

  it('is private to the source when nobody states an issuer', () => {
    expect(of({ source: 'CT1' })).toEqual(of({ source: 'CT1' }));
    expect(of({ source: 'CT1' })?.system).not.toBe(of({ source: 'MR2' })?.system);
  });

  it('takes the issuer of the source from the settings, and the stated one before that', () => {
    const issuers = { CT1: 'HOSP', MR2: 'HOSP' };
    expect(of({ source: 'CT1' }, issuers)).toEqual(of({ source: 'MR2' }, issuers));
    expect(of({ source: 'CT1' }, issuers)).toEqual(of({ issuerOfPatientId: 'hosp ' }));
    expect(of({ source: 'CT1', issuerOfPatientId: 'OTHER' }, issuers)?.system).not.toBe(
      of({ source: 'MR2' }, issuers)?.system,
    );
    expect(of({ source: 'toString' }, issuers)).toEqual(of({ source: 'toString' }));
  });

  it('uses what names an issuer for everyone as it is', () => {
    expect(of({ issuerUniversalEntityId: '1.2.3.4', issuerUniversalEntityIdType: 'ISO' })?.system).toBe(
      'urn:oid:1.2.3.4',
    );
    expect(of({}, { CT1: 'https://hospital.example/mrn' })?.system).toBe('https://hospital.example/mrn');
    expect(of({}, { CT1: '1.2.3.4' })?.system).toBe('urn:oid:1.2.3.4');
  });
});
