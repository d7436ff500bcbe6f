import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { type Attributes, parseFile } from '@callosum/dicom';
import { nameUid } from '@callosum/kernel';
import { tinyCt } from '@callosum/phantom';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { qido, stow, textAt } from './harness/dicomweb.js';
import { python, root, testData } from './harness/paths.js';
import { run } from './harness/processes.js';
import { filesIn, findscu, type Keys, workstation } from './harness/query-peers.js';

const uid = (name: string): string => nameUid('dicomweb-search', name);

/** Eight studies of two series of two slices; what is different about them is what they are asked for by. */
const studies: Readonly<Record<string, Attributes>> = {
  anna: { PatientName: 'Müller-Lüdenscheid^Anna', PatientID: 'MRN-004711', StudyDate: '20260102', StudyTime: '080000' },
  hanna: { PatientName: 'Schmitt^Hanna', PatientID: 'MRN-114711', AccessionNumber: 'A%1_2', StudyDate: '20260103' },
  hanako: { PatientName: 'Yamada^Hanako=山田^花子=やまだ^はなこ', PatientID: '4711', StudyTime: '235959.5' },
  nikos: { PatientName: 'Παπαδόπουλος^Νίκος', PatientID: 'GR-1', ReferringPhysicianName: 'Öz^Ali', Modality: 'MR' },
  sean: { PatientName: "O'Neill^Sean", PatientID: 'x/y', StudyDescription: 'Knie links', Modality: 'MR' },
  again: { PatientName: 'Schmitt^Hanna', PatientID: 'MRN-114711', StudyDate: '20251231', StudyID: 'second' },
  late: {
    PatientName: 'Late^Larry',
    PatientID: 'L-1',
    StudyDate: '20270101',
    AccessionNumber: 'ACC-9',
    PatientSex: 'M',
  },
  plain: { PatientName: 'Plain', PatientID: 'P', IssuerOfPatientID: 'ELSEWHERE', PatientBirthDate: '20000229' },
};

const objectsOf = (study: string, attributes: Attributes): Uint8Array[] =>
  ['a', 'b'].flatMap((series, s) =>
    [1, 2].map(
      (number) =>
        tinyCt({
          StudyDescription: 'Thorax 100%',
          AccessionNumber: 'ACC-1',
          ...attributes,
          StudyInstanceUID: uid(study),
          SeriesInstanceUID: uid(`${study}/${series}`),
          SOPInstanceUID: uid(`${study}/${series}/${number}`),
          SeriesNumber: s + 1,
          InstanceNumber: number,
          SeriesDescription: `series ${series}`,
          BodyPartExamined: s === 0 ? 'CHEST' : 'KNEE',
        }).bytes,
    ),
  );

const studyLevel: Keys[] = [
  {},
  { StudyInstanceUID: uid('anna') },
  { StudyInstanceUID: `${uid('anna')}\\${uid('late')}` },
  { StudyInstanceUID: '1.2.3' },
  { PatientID: 'MRN-114711' },
  { PatientID: 'mrn-114711' },
  { PatientID: 'MRN-*' },
  { PatientID: '*4711' },
  { PatientID: '?R-1' },
  { PatientID: '*' },
  { PatientID: 'P', IssuerOfPatientID: 'ELSEWHERE' },
  { PatientID: 'P', IssuerOfPatientID: 'HERE' },
  { AccessionNumber: 'A%1_2' },
  { AccessionNumber: 'A%*' },
  { AccessionNumber: 'ACC-1', StudyDate: '20260105' },
  { StudyDate: '20260102' },
  { StudyDate: '20260102-20260103' },
  { StudyDate: '-20260102' },
  { StudyDate: '20260106-' },
  { StudyTime: '080000-101500' },
  { StudyTime: '2359' },
  { StudyDate: '20260102-20260103', StudyTime: '080000-090000' },
  { PatientName: 'schmitt^hanna' },
  { PatientName: 'SCHMITT*' },
  { PatientName: '*ANNA*' },
  { PatientName: 'Müller*' },
  { PatientName: 'Muller*' },
  { PatientName: 'Schmitt' },
  { PatientName: '*=山田*' },
  { PatientName: '山田*' },
  { PatientName: 'やまだ^はなこ' },
  { PatientName: 'Παπαδόπουλος*' },
  { PatientName: "O'N?ill^*" },
  { PatientName: 'nobody' },
  { PatientBirthDate: '20000229' },
  { PatientSex: 'M' },
  { ReferringPhysicianName: 'Öz*' },
  { StudyID: 'second' },
  { StudyDescription: 'Thorax 100%' },
  { StudyDescription: '*links' },
  { StudyDescription: 'Thorax 100_' },
  { ModalitiesInStudy: 'MR' },
  { ModalitiesInStudy: 'CT\\MR', StudyDate: '20260105' },
  { SOPClassesInStudy: '1.2.840.10008.5.1.4.1.1.2' },
  { NumberOfStudyRelatedInstances: '4' },
  { NumberOfStudyRelatedSeries: '3' },
];
const below: { level: 'SERIES' | 'IMAGE'; keys: Keys }[] = [
  { level: 'SERIES', keys: { StudyInstanceUID: uid('anna') } },
  { level: 'SERIES', keys: { StudyInstanceUID: uid('anna'), BodyPartExamined: 'KNEE' } },
  { level: 'SERIES', keys: { StudyInstanceUID: uid('anna'), SeriesNumber: '1' } },
  { level: 'SERIES', keys: { StudyInstanceUID: uid('anna'), Modality: 'MR' } },
  { level: 'IMAGE', keys: { StudyInstanceUID: uid('anna'), SeriesInstanceUID: uid('anna/b') } },
  {
    level: 'IMAGE',
    keys: { StudyInstanceUID: uid('anna'), SeriesInstanceUID: uid('anna/b'), InstanceNumber: '2' },
  },
];

describe('searches by DICOMweb', () => {
  let system: Callosum;
  beforeAll(async () => {
    system = await Callosum.start('dicomweb-search', {
      worker: false,
      env: {
        // However busy the machine is: who asks within a study waits for what he has stored.
        CALLOSUM_INDEX_WAIT_MS: '60000',
        CALLOSUM_DIMSE_AE: 'CALLOSUM',
        CALLOSUM_DIMSE_AES: JSON.stringify([{ aet: workstation, host: '127.0.0.1' }]),
      },
    });
    for (const [study, attributes] of Object.entries(studies)) {
      const { status } = await stow(system.httpUrl, objectsOf(study, attributes));
      expect(status).toBe(200);
    }
    // Each is found as soon as it is stored; all of them are there when the last is.
    for (const study of Object.keys(studies)) await qido(system.httpUrl, `studies?StudyInstanceUID=${uid(study)}`);
  });
  afterAll(() => system.stop());

  const query = (keys: Keys): string => new URLSearchParams(keys).toString();
  const unicode: Keys = { SpecificCharacterSet: 'ISO_IR 192' };

  it('find all of a study at once when it is stored, at every level', async () => {
    const objects = objectsOf('at-once', { PatientName: 'At^Once', PatientID: 'AT-ONCE' });
    expect((await stow(system.httpUrl, objects)).status).toBe(200);
    const [study] = await qido(system.httpUrl, `studies?StudyInstanceUID=${uid('at-once')}`);
    expect([textAt(study, '00201206'), textAt(study, '00201208')].map(Number)).toEqual([2, 4]);
    const more = objectsOf('at-once', { PatientName: 'At^Once', PatientID: 'AT-ONCE' }).map((bytes) => {
      const { dataset } = parseFile(bytes);
      return tinyCt({
        StudyInstanceUID: uid('at-once'),
        SeriesInstanceUID: uid('at-once/c'),
        SOPInstanceUID: uid(`more ${dataset.string('SOPInstanceUID')}`),
        PatientName: 'At^Once',
        PatientID: 'AT-ONCE',
      }).bytes;
    });
    expect((await stow(system.httpUrl, more, `studies/${uid('at-once')}`)).status).toBe(200);
    expect(await qido(system.httpUrl, `studies/${uid('at-once')}/series`)).toHaveLength(3);
    expect(await qido(system.httpUrl, `studies/${uid('at-once')}/instances`)).toHaveLength(8);
    const inSeries = `studies/${uid('at-once')}/series/${uid('at-once/c')}/instances`;
    expect(await qido(system.httpUrl, inSeries)).toHaveLength(4);
  });

  it.each(studyLevel.map((keys) => [JSON.stringify(keys), keys] as const))(
    'find the studies that findscu finds: %s',
    async (_, keys) => {
      const asked = { ...unicode, QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '', ...keys };
      const byDimse = (await findscu(system, 'study', asked)).map((found) => found.string('StudyInstanceUID'));
      const byWeb = (await qido(system.httpUrl, `studies?${query(keys)}`)).map((found) => textAt(found, '0020000D'));
      expect(byWeb).toEqual(byDimse);
      expect(new Set(byWeb).size).toBe(byWeb.length);
    },
  );

  it.each(below.map(({ level, keys }) => [`${level} ${JSON.stringify(keys)}`, level, keys] as const))(
    'find what findscu finds below a study: %s',
    async (_, level, keys) => {
      const [keyword, tag, path] =
        level === 'SERIES'
          ? (['SeriesInstanceUID', '0020000E', 'series'] as const)
          : (['SOPInstanceUID', '00080018', 'instances'] as const);
      const asked = { ...unicode, QueryRetrieveLevel: level, [keyword]: '', ...keys };
      const byDimse = (await findscu(system, 'study', asked)).map((found) => found.string(keyword));
      const byWeb = (await qido(system.httpUrl, `${path}?${query(keys)}`)).map((found) => textAt(found, tag));
      expect(byWeb).toEqual(byDimse);
    },
  );

  it('find by modalities as a viewer sends them: several joined by a comma', async () => {
    const uids = async (modalities: string): Promise<(string | undefined)[]> =>
      (await qido(system.httpUrl, `studies?${query({ ModalitiesInStudy: modalities })}`)).map((found) =>
        textAt(found, '0020000D'),
      );
    const [both, mr] = [await uids('CT,MR'), await uids('MR,US')];
    expect(both).toEqual(await uids('CT\\MR'));
    expect(mr.sort()).toEqual([uid('nikos'), uid('sean')].sort());
    expect(both.length).toBeGreaterThan(mr.length);
  });

  it('are not all empty, nor all the same', async () => {
    const counts = new Set<number>();
    for (const keys of studyLevel) counts.add((await qido(system.httpUrl, `studies?${query(keys)}`)).length);
    expect(counts.size).toBeGreaterThan(5);
  });

  interface Found {
    readonly study: string;
    readonly series: string;
    readonly instance: string;
    readonly url: string;
    readonly name: string;
    readonly keywords: readonly string[];
  }
  type Call = readonly [method: string, more?: Readonly<Record<string, unknown>>];
  async function byPython(...calls: Call[]): Promise<Found[][]> {
    const asked = calls.map(([method, more = {}]) => ({ method, arguments: more }));
    const program = join(root, 'apps/e2e/peers/qido_client.py');
    const ended = await run(python, [program, `${system.httpUrl}/dicom-web`, JSON.stringify(asked)]);
    expect(ended.code, ended.stderr).toBe(0);
    return JSON.parse(ended.stdout) as Found[][];
  }

  it('are answered to dicomweb-client at each level, with filters, fields and words of names', async () => {
    const [all, fuzzy, fields, series, ofStudy, instances, ofSeries, none] = await byPython(
      ['search_for_studies', { limit: 100 }],
      ['search_for_studies', { fuzzymatching: true, search_filters: { PatientName: 'LUDEN' } }],
      [
        'search_for_studies',
        { fields: ['StudyID', 'ReasonForTheRequestedProcedure'], search_filters: { PatientID: 'GR-1' } },
      ],
      ['search_for_series', { search_filters: { BodyPartExamined: 'KNEE', PatientID: 'MRN-114711' } }],
      ['search_for_series', { study_instance_uid: uid('anna') }],
      ['search_for_instances', { study_instance_uid: uid('anna'), search_filters: { InstanceNumber: 2 } }],
      ['search_for_instances', { study_instance_uid: uid('anna'), series_instance_uid: uid('anna/a') }],
      ['search_for_studies', { search_filters: { PatientID: 'nobody' } }],
    );
    expect(all?.map(({ study }) => study)).toEqual(expect.arrayContaining(Object.keys(studies).map(uid)));
    expect(all?.find(({ study }) => study === uid('hanako'))?.name).toBe('Yamada^Hanako=山田^花子=やまだ^はなこ');
    expect(fuzzy?.map(({ study }) => study)).toEqual([uid('anna')]);
    expect(fields?.map(({ study, url }) => [study, url])).toEqual([
      [uid('nikos'), `${system.httpUrl}/dicom-web/studies/${uid('nikos')}`],
    ]);
    expect(fields?.[0]?.keywords).toEqual(expect.arrayContaining(['ModalitiesInStudy', 'StudyID']));
    expect(series?.map((one) => one.series).sort()).toEqual([uid('again/b'), uid('hanna/b')].sort());
    expect(ofStudy?.map((one) => one.series)).toEqual([uid('anna/a'), uid('anna/b')]);
    expect(instances?.map((one) => one.instance)).toEqual([uid('anna/a/2'), uid('anna/b/2')]);
    expect(ofSeries?.map((one) => one.instance)).toEqual([uid('anna/a/1'), uid('anna/a/2')]);
    expect(none).toEqual([]);
  });

  it('are answered to dicomweb-client page by page, each match once', async () => {
    const [whole = [], pages = []] = await byPython(
      ['search_for_instances', { limit: 1_000 }],
      ['search_for_instances', { limit: 7, get_remaining: true }],
    );
    expect(whole.length).toBeGreaterThanOrEqual(32);
    expect(pages.map(({ instance }) => instance)).toEqual(whole.map(({ instance }) => instance));
  });

  const charsets = testData('charsets');
  it.skipIf(charsets === undefined)(
    'find names of all character sets, and give them as pydicom reads them',
    async () => {
      const files = filesIn(charsets ?? '').filter((path) => path.endsWith('.dcm'));
      expect(files.length).toBeGreaterThan(15);
      const names = new Map<string, string>();
      const refused: string[] = [];
      for (const path of files) {
        const bytes = readFileSync(path);
        const { dataset } = parseFile(bytes);
        const study = dataset.string('StudyInstanceUID') ?? '';
        // Some are of one study: what it is called by is what the first of them says.
        if (names.has(study)) continue;
        const { status } = await stow(system.httpUrl, [bytes]);
        if (status === 200) names.set(study, dataset.string('PatientName') ?? '');
        else refused.push(basename(path));
      }
      // Two that name another instance in their file meta information, and two without UIDs.
      expect(refused).toEqual([
        'chrJapMulti.dcm',
        'chrJapMultiExplicitIR6.dcm',
        'chrSQEncoding.dcm',
        'chrSQEncoding1.dcm',
      ]);
      const known = [...names].filter(([, name]) => name !== '' && !name.includes('\ufffd'));
      expect(known.length).toBeGreaterThan(5);
      const found = await byPython(
        ...known.map(([study, name]): Call => {
          const search_filters = { StudyInstanceUID: study, PatientName: name };
          return ['search_for_studies', { search_filters }];
        }),
      );
      expect(found.map((matches) => matches.map(({ study, name }) => [study, name.replace(/=+$/, '')]))).toEqual(
        known.map(([study, name]) => [[study, name.replace(/=+$/, '')]]),
      );
    },
  );

  it.each([
    ['studies?limit=x', 400],
    ['studies?NotAnAttribute=1&orderby=-StudyDate&limit=1', 200],
    ['studies?includefield=NotAnAttribute', 400],
    ['studies?StudyDate=yesterday', 400],
    ['studies?fuzzymatching=perhaps', 400],
    ['studies?offset=99999999999', 400],
    ['studies/1.2.a/series', 400],
    ['studies?PatientName=%27%3B drop table study%3B--', 204],
    ['studies?PatientID=%00%00', 400],
    ['studies?PatientName=%ED%A0%80', 400],
    [`studies?PatientName=${'*a'.repeat(150)}`, 204],
    [`studies?PatientName=${'a'.repeat(500)}`, 400],
    [`studies?${'PatientID=1&'.repeat(600)}`, 400],
    [`studies?StudyInstanceUID=${Array(1_001).fill('1.2').join(',')}`, 400],
    [`studies?${'00081115.'.repeat(20)}00081155=1.2`, 400],
    ['studies?limit=0', 204],
  ])('that are hostile or broken have a status: %s', async (path, status) => {
    const response = await fetch(`${system.httpUrl}/dicom-web/${path}`);
    expect([response.status, await response.text()]).toEqual([status, expect.any(String)]);
  });
});
