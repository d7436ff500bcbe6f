import { imaging } from '@callosum/contracts';
import type { Attributes, DicomJson } from '@callosum/dicom';
import { beforeAll, describe, expect, it } from 'vitest';

import { planSearch } from './application/search-plan.js';
import { slice, uid } from './test-support/objects.js';
import { type Asked, find, searchRequest, send, useIndex } from './test-support/study-index.js';

const {
  QUERY_LEVEL_PATIENT: PATIENT,
  QUERY_LEVEL_STUDY: STUDY,
  QUERY_LEVEL_SERIES: SERIES,
  QUERY_LEVEL_INSTANCE: INSTANCE,
} = imaging.QueryLevel;
type Keys = Record<string, string>;

useIndex();

/** Two patients of one Patient ID by other issuers, one with two studies, and one study of nobody. */
beforeAll(async () => {
  const anna = { PatientName: 'Müller^Anna=山田^花子=やまだ^はなこ', PatientID: 'P-1', IssuerOfPatientID: 'A' };
  const requests = (step: string, code: string): Attributes => ({
    RequestAttributesSequence: [
      { ScheduledProcedureStepID: 'OTHER', RequestedProcedureID: step },
      {
        ScheduledProcedureStepID: step,
        RequestedProcedureID: 'RP',
        ScheduledProtocolCodeSequence: [{ CodeValue: code, CodingSchemeDesignator: 'L', CodeMeaning: 'm' }],
      },
    ],
  });
  await send(
    slice('new', 'ct', 1, {
      ...anna,
      StudyDate: '20260102',
      StudyTime: '101530',
      StudyID: 'S1',
      ReferringPhysicianName: 'Öz^Ali=山本^一',
      NameOfPhysiciansReadingStudy: ['Groß^Eva', "O'Neill^Sean"],
      AdmittingDiagnosesDescription: ['Pneumonia', 'Fraktur 100%_'],
      PatientAge: '055Y',
      PatientComments: 'padded ',
      ReferencedStudySequence: [{ ReferencedSOPInstanceUID: '1.2.3.4' }],
      AcquisitionDate: '20260102',
      AcquisitionTime: '1016',
      AcquisitionDateTime: '20260102101600+0100',
      KVP: '120.0',
      ImageType: ['ORIGINAL', 'PRIMARY', 'AXIAL'],
      OperatorsName: 'Kraus^Ida',
      SeriesDate: '20260102',
      SeriesTime: '1016',
      PerformedProcedureStepStartDate: '20260102',
      PerformedProcedureStepStartTime: '0955',
      ...requests('SPS-1', 'C1'),
    }),
  );
  await send(
    slice('new', 'ct', 2, { ...anna, StudyDate: '20260102', StudyTime: '101530', ...requests('SPS-1', 'C1') }),
  );
  await send(
    slice('new', 'sr', 1, {
      ...anna,
      Modality: 'SR',
      SOPClassUID: '1.2.840.10008.5.1.4.1.1.88.33',
      StudyDate: '20260102',
      StudyTime: '101530',
      SeriesNumber: 9,
      ...requests('SPS-2', 'C2'),
    }),
  );
  await send(
    slice('old', 'mr', 1, {
      ...anna,
      Modality: 'MR',
      StudyDate: '20240630',
      StudyTime: '2359',
      AccessionNumber: 'ACC-2',
      SOPClassUID: '1.2.840.10008.5.1.4.1.1.4',
    }),
  );
  await send(
    slice('other', 'ct', 1, {
      PatientName: 'Doe^Jane',
      PatientID: 'P-1',
      IssuerOfPatientID: 'B',
      PatientBirthDate: '',
      StudyDate: '20250601',
      StudyTime: undefined,
      AccessionNumber: '',
    }),
  );
  await send(slice('nobody', 'ct', 1, { PatientName: 'Unknown', PatientID: '', StudyDate: undefined }));
});

const ask = (level: imaging.QueryLevel, keys: Keys, more: Partial<imaging.SearchRequest> = {}): Promise<DicomJson[]> =>
  find({ level, matches: Object.entries(keys).map(([tag, value]) => ({ tag, value })), ...more } as Asked);
const uidTag: Partial<Record<imaging.QueryLevel, string>> = {
  [STUDY]: '0020000D',
  [SERIES]: '0020000E',
  [INSTANCE]: '00080018',
};
const named = (level: imaging.QueryLevel, found: readonly DicomJson[]): unknown[] =>
  found.map((dataset) => dataset[uidTag[level] ?? '']?.Value?.[0]);

const all = ['new', 'other', 'old', 'nobody'];

describe('at the study level', () => {
  it.each<[string, Keys, string[], Partial<imaging.SearchRequest>?]>([
    ['everything, newest first, without a date last', {}, all],
    ['a name by one of its groups', { '00100010': 'やまだ*' }, ['new', 'old']],
    ['a name by a group in its place', { '00100010': '=山田*' }, ['new', 'old']],
    ['a name by a group in another place', { '00100010': '=müller*' }, []],
    ['two groups of a name', { '00100010': 'müller*=山田^花子' }, ['new', 'old']],
    ['two groups of a name of which one differs', { '00100010': 'müller*=田中*' }, []],
    ['a component of a name', { '00100010': '*^anna' }, ['new', 'old']],
    ['a name without its accents', { '00100010': 'muller*' }, []],
    ['a name without its accents, fuzzily', { '00100010': 'muller' }, ['new', 'old'], { fuzzyMatching: true }],
    ['the referring physician', { '00080090': 'öz*' }, ['new']],
    ['the referring physician by the ideographic group', { '00080090': '山本^*' }, ['new']],
    ['the referring physician fuzzily', { '00080090': 'ali' }, ['new'], { fuzzyMatching: true }],
    ['one of several names in metadata', { '00081060': "o'neill^sean" }, ['new']],
    ['a name in metadata by wildcard, in any case', { '00081060': 'GRO?^*' }, ['new']],
    ['one of several values', { '00081080': 'Fraktur 100%_' }, ['new']],
    ['a wildcard on one of several values', { '00081080': '*100%?' }, ['new']],
    ['a value in another case', { '00081080': 'pneumonia' }, []],
    ['spaces at the ends', { '00104000': 'padded  ', '00200010': ' S1 ' }, ['new']],
    ['an age', { '00101010': '055Y' }, ['new']],
    ['an issuer', { '00100020': 'P-1', '00100021': 'B' }, ['other']],
    ['a range of dates', { '00080020': '20240101-20251231' }, ['other', 'old']],
    ['a date that is open to the past', { '00080020': '-20240630' }, ['old']],
    ['times apart from dates', { '00080020': '20240101-20260102', '00080030': '1000-1100' }, ['new']],
    [
      'dates with times as one range',
      { '00080020': '20240630-20260102', '00080030': '2300-1000' },
      ['other', 'old'],
      { combinedDatetime: true },
    ],
    ['moments since one', { '00080020': '20260102-', '00080030': '1016-' }, [], { combinedDatetime: true }],
    [
      'moments in two forms as they are',
      { '00080020': '20260102', '00080030': '1015-' },
      ['new'],
      { combinedDatetime: true },
    ],
    ['modalities: one of several', { '00080061': 'SR\\MR' }, ['new', 'old']],
    ['a SOP class in the study', { '00080062': '1.2.840.10008.5.1.4.1.1.88.33' }, ['new']],
    ['the number of its series', { '00201206': '2' }, ['new']],
    ['the number of its instances', { '00201208': '003' }, ['new']],
    ['the number of its patient’s studies', { '00201200': '2' }, ['new', 'old']],
    [
      'the number of the instances of a patient without ID',
      { '00201204': '1', '00080020': '', '00100020': '' },
      ['other', 'nobody'],
    ],
    ['availability', { '00080056': 'ONLINE' }, all],
    ['no availability that there is', { '00080056': 'OFFLINE' }, []],
    ['a sequence', { '00081110.00081155': '1.2.3.4' }, ['new']],
    ['a sequence that is asked for only', { '00081110': '' }, all],
    ['no value, once negotiated', { '00080050': '""' }, ['other'], { emptyValueMatching: true }],
    ['no date, once negotiated', { '00080020': '""' }, ['nobody'], { emptyValueMatching: true }],
    [
      'no value of metadata, once negotiated',
      { '00081080': '""', '00100021': 'A' },
      ['old'],
      { emptyValueMatching: true },
    ],
    ['quotation marks that are a value', { '00080050': '""' }, []],
    ['LIKE characters', { '00100020': 'P_1', '00080020': '' }, []],
    ['a regular expression', { '00100010': '.*^anna' }, []],
    ['a regular expression in fuzzy words', { '00100010': '(m|d' }, [], { fuzzyMatching: true }],
    ['JSON path syntax', { '00081080': '") || (@ == "x' }, []],
    ['NUL in a value', { '00100020': 'P-\0' + '1', '00100021': 'B' }, ['other']],
    ['half a character', { '00100020': 'P-1\ud800' }, []],
    ['an offset and a limit with keys that metadata decides', { '00100010': 'm*' }, ['old'], { offset: 1, limit: 1 }],
  ])('finds by %s', async (_what, keys, expected, more = {}) => {
    expect(named(STUDY, await ask(STUDY, keys, more))).toEqual(expected.map(uid));
  });
});

describe('at the series level', () => {
  it.each<[string, Keys, string[], Partial<imaging.SearchRequest>?]>([
    ['everything, by study and number', {}, ['new/ct', 'new/sr', 'other/ct', 'old/mr', 'nobody/ct']],
    ['modality', { '00080060': 'SR' }, ['new/sr']],
    ['attributes of the study', { '00100010': 'müller*', '00080060': 'C*' }, ['new/ct']],
    ['the number of its instances', { '00201209': '2' }, ['new/ct']],
    ['a series number', { '00200011': '9' }, ['new/sr']],
    ['an operator', { '00081070': 'kraus^*' }, ['new/ct']],
    ['an item of a sequence', { '00400275.00400009': 'SPS-1' }, ['new/ct']],
    ['an item of a sequence by wildcard', { '00400275.00400009': 'SPS-?' }, ['new/ct', 'new/sr']],
    ['two keys in one item', { '00400275.00400009': 'SPS-1', '00400275.00401001': 'RP' }, ['new/ct']],
    ['two keys that no item has both', { '00400275.00400009': 'SPS-1', '00400275.00401001': 'SPS-1' }, []],
    ['a sequence in a sequence', { '00400275.00400008.00080100': 'C2' }, ['new/sr']],
    [
      'when its procedure step started, as one range',
      { '00400244': '20260101-20260102', '00400245': '1000-0954' },
      [],
      { combinedDatetime: true },
    ],
    [
      'when its procedure step started, at the end of a range',
      { '00400244': '20260101-20260102', '00400245': '1000-0955' },
      ['new/ct'],
      { combinedDatetime: true },
    ],
    ['a time in metadata', { '00400245': '0900-10' }, ['new/ct']],
  ])('finds by %s', async (_what, keys, expected, more = {}) => {
    expect(named(SERIES, await ask(SERIES, keys, more))).toEqual(expected.map(uid));
  });
});

describe('at the instance level', () => {
  it.each<[string, Keys, string[], Partial<imaging.SearchRequest>?]>([
    ['everything, by number', {}, ['new/ct/1', 'new/ct/2', 'new/sr/1', 'other/ct/1', 'old/mr/1', 'nobody/ct/1']],
    ['SOP class', { '00080016': '1.2.840.10008.5.1.4.1.1.4' }, ['old/mr/1']],
    ['a list of UIDs', { '00080018': `${uid('new/ct/2')}\\${uid('old/mr/1')}` }, ['new/ct/2', 'old/mr/1']],
    ['its number', { '00200013': '2' }, ['new/ct/2']],
    ['a number larger than any', { '00200013': '99999999999' }, []],
    ['a decimal number', { '00180060': '120' }, ['new/ct/1']],
    ['a number of its pixels', { '00280010': '4', '00200013': '2' }, ['new/ct/2']],
    ['one of several code strings', { '00080008': 'AXIAL' }, ['new/ct/1']],
    ['a date and time of another time zone', { '0008002A': '20260102091600+0000' }, ['new/ct/1']],
    ['a range of dates and times', { '0008002A': '202601020900+0000-202601020915+0000' }, []],
    [
      'a date and time pair in metadata',
      { '00080022': '20260101-20260102', '00080032': '2300-1016' },
      ['new/ct/1'],
      { combinedDatetime: true },
    ],
    [
      'keys of each level',
      { '00100020': 'P-1', '00080060': 'CT', '00200013': '1', '0020000D': uid('new') },
      ['new/ct/1'],
    ],
    ['an item of a sequence', { '00400275.00400008.00080100': 'C1', '00200013': '2' }, ['new/ct/2']],
  ])('finds by %s', async (_what, keys, expected, more = {}) => {
    expect(named(INSTANCE, await ask(INSTANCE, keys, more))).toEqual(expected.map(uid));
  });
});

describe('at the patient level', () => {
  const patients = async (keys: Keys, more: Partial<imaging.SearchRequest> = {}): Promise<unknown[]> =>
    (await ask(PATIENT, keys, more)).map((dataset) => [
      dataset['00100020']?.Value?.[0],
      dataset['00100021']?.Value?.[0],
    ]);

  it.each<[string, Keys, unknown[]]>([
    [
      'everybody with a Patient ID, once',
      {},
      [
        ['P-1', 'A'],
        ['P-1', 'B'],
      ],
    ],
    ['name', { '00100010': 'doe*' }, [['P-1', 'B']]],
    ['ID and issuer', { '00100020': 'P-1', '00100021': 'A' }, [['P-1', 'A']]],
    ['the number of studies', { '00201200': '2' }, [['P-1', 'A']]],
    ['the number of series', { '00201202': '1' }, [['P-1', 'B']]],
  ])('finds by %s', async (_what, keys, expected) => {
    expect(await patients(keys)).toEqual(expected);
  });

  it('answers with the patient’s attributes and counts, and nothing of a study', async () => {
    const [found] = await ask(PATIENT, { '00100021': 'A' });
    expect(found).toEqual({
      '00080005': { vr: 'CS', Value: ['ISO_IR 192'] },
      '00100010': {
        vr: 'PN',
        Value: [{ Alphabetic: 'Müller^Anna', Ideographic: '山田^花子', Phonetic: 'やまだ^はなこ' }],
      },
      '00100020': { vr: 'LO', Value: ['P-1'] },
      '00100021': { vr: 'LO', Value: ['A'] },
      '00100030': { vr: 'DA', Value: ['19700131'] },
      '00100040': { vr: 'CS', Value: ['F'] },
      '00201200': { vr: 'IS', Value: [2] },
      '00201202': { vr: 'IS', Value: [3] },
      '00201204': { vr: 'IS', Value: [4] },
    });
  });
});

describe('answers that hold only what was asked for', () => {
  const only = { onlyRequested: true };

  it('have unique keys, and an element without a value where there is none', async () => {
    const [study] = await ask(
      STUDY,
      { '0020000D': uid('other'), '00080050': '', '00081110': '', '00201206': '' },
      only,
    );
    expect(study).toEqual({
      '00080050': { vr: 'SH' },
      '00081110': { vr: 'SQ' },
      '0020000D': { vr: 'UI', Value: [uid('other')] },
      '00201206': { vr: 'IS', Value: [1] },
    });
    const [series] = await ask(SERIES, { '0020000D': uid('new'), '00080060': 'SR' }, only);
    expect(Object.keys(series ?? {})).toEqual(['00080060', '0020000D', '0020000E']);
    const [instance] = await ask(INSTANCE, { '00080018': uid('new/ct/2') }, only);
    expect(Object.keys(instance ?? {})).toEqual(['00080018', '0020000D', '0020000E']);
    expect(await ask(PATIENT, { '00100021': 'B', '00201200': '' }, only)).toEqual([
      {
        '00100020': { vr: 'LO', Value: ['P-1'] },
        '00100021': { vr: 'LO', Value: ['B'] },
        '00201200': { vr: 'IS', Value: [1] },
      },
    ]);
  });

  it('have of a sequence the items that match, and in them what was asked for', async () => {
    const [series] = await ask(
      SERIES,
      { '00400275.00400009': 'SPS-1', '00400275.00400007': '', '0020000D': uid('new') },
      { ...only, includeTags: ['00400275.00400008.00080100'] },
    );
    expect(series?.['00400275']).toEqual({
      vr: 'SQ',
      Value: [
        {
          '00400007': { vr: 'LO' },
          '00400008': { vr: 'SQ', Value: [{ '00080100': { vr: 'SH', Value: ['C1'] } }] },
          '00400009': { vr: 'SH', Value: ['SPS-1'] },
        },
      ],
    });
  });

  it('have the SOP classes of the study', async () => {
    const [study] = await ask(STUDY, { '0020000D': uid('new'), '00080062': '' }, only);
    expect(study?.['00080062']).toEqual({
      vr: 'UI',
      Value: ['1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.5.1.4.1.1.88.33'],
    });
  });
});

describe('keys that cannot be matched', () => {
  const unsupported = (level: imaging.QueryLevel, keys: Keys, includeTags: string[] = []): readonly string[] =>
    planSearch(
      searchRequest({ level, includeTags, matches: Object.entries(keys).map(([tag, value]) => ({ tag, value })) }),
    ).unsupported;

  it('are named, each once, and match everything', async () => {
    const keys = {
      '00080060': 'CT',
      '00400275.00400009': 'SPS-1',
      '00091001': 'private',
      '00280010': '',
      '00081110.00091001': 'x',
      '00100020': 'P-1',
    };
    expect(unsupported(STUDY, keys, ['00200013', '00280010'])).toEqual([
      '00080060',
      '00400275.00400009',
      '00091001',
      '00280010',
      '00081110.00091001',
      '00200013',
    ]);
    expect(named(STUDY, await ask(STUDY, keys))).toEqual(['new', 'other', 'old'].map(uid));
    expect(unsupported(SERIES, { '00201209': '1', '00201208': '1', '00080056': 'ONLINE' })).toEqual([]);
    expect(unsupported(PATIENT, { '00080020': '20260101', '00100010': 'x' })).toEqual(['00080020']);
  });

  it('are those that only who asks can answer, where they have a value: C-FIND does not send its own', () => {
    expect(unsupported(STUDY, { '00080005': 'ISO_IR 100', '00080052': '', '00080054': 'AET' }, ['00081190'])).toEqual([
      '00080005',
      '00080054',
    ]);
  });
});
