import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { type DicomDataset, ImplicitVRLittleEndian, parseFile } from '@callosum/dicom';
import { tinyCt, tinySeries } from '@callosum/phantom';
import { fillIndex } from '@callosum/stack';
import { freePort } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { administrator } from './harness/database.js';
import { folderOf, qido, stow } from './harness/dicomweb.js';
import { eventually } from './harness/fhir.js';
import { judge } from './harness/judge.js';
import { testData } from './harness/paths.js';
import { getAndFind } from './harness/pynetdicom-query.js';
import { runPython } from './harness/python.js';
import {
  countscu,
  filesIn,
  findscu,
  getscu,
  type Keys,
  movescu,
  startStorescp,
  type Storescp,
  workstation,
} from './harness/query-peers.js';

const slices = tinySeries({ slices: 12, salt: 'query-retrieve' });
const study = slices[0]?.studyInstanceUid ?? '';
const series = slices[0]?.seriesInstanceUid ?? '';
const patient: Keys = { PatientID: 'TINY-0001' };
const ofStudy: Keys = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: study };

/** What DCMTK says of a final response. */
const success = /DIMSE Status +: 0x0000/;

const dataset = (path: string): DicomDataset => parseFile(readFileSync(path)).dataset;
const uidsIn = (folder: string): string[] =>
  filesIn(folder)
    .map((path) => dataset(path).string('SOPInstanceUID') ?? '')
    .sort();
const sent = slices.map(({ sopInstanceUid }) => sopInstanceUid).sort();

/** Workstations and other nodes that ask this one, and where it may send to. */
describe('a workstation beside the node', () => {
  let system: Callosum;
  let store: Storescp;
  let implicit: Storescp;

  beforeAll(async () => {
    [store, implicit] = await Promise.all([startStorescp('STORE', '+xa', '+B'), startStorescp('IMPLICIT', '+xi')]);
    const at = (aet: string, port?: number) => ({ aet, host: '127.0.0.1', ...(port === undefined ? {} : { port }) });
    const aes = [
      ...[at(workstation), at('PYNETDICOM')],
      ...[at('STORE', store.port), at('IMPLICIT', implicit.port), at('DEAD', await freePort())],
    ];
    system = await Callosum.start('query-retrieve', {
      worker: false,
      env: { CALLOSUM_DIMSE_AES: JSON.stringify(aes), CALLOSUM_LOG_LEVEL: 'trace' },
    });
    const objects = slices.map(({ bytes }) => bytes);
    expect((await stow(system.httpUrl, objects)).status).toBe(200);
    await indexed(study, slices.length);
  });
  afterAll(async () => {
    await system.stop();
    await Promise.all([store.stop(), implicit.stop()]);
  });

  const indexed = (studyInstanceUid: string, count: number): Promise<unknown> =>
    eventually(`${count} instances in the index`, 30_000, async () => {
      const [found] = await qido(system.httpUrl, `studies?StudyInstanceUID=${studyInstanceUid}`);
      return Number(found?.['00201208']?.Value?.[0]) === count;
    });

  describe('finds with findscu', () => {
    it('the patient, the study, its series and its instances, with what it asks for', async () => {
      const [one] = await findscu(system, 'patient', {
        QueryRetrieveLevel: 'PATIENT',
        PatientID: 'TINY*',
        PatientName: 'phantom^t*',
        NumberOfPatientRelatedInstances: '',
      });
      expect(one?.string('PatientID')).toBe('TINY-0001');
      expect(one?.number('NumberOfPatientRelatedInstances')).toBe(slices.length);
      const [found, ...more] = await findscu(system, 'study', {
        QueryRetrieveLevel: 'STUDY',
        StudyDate: '20260101-20260131',
        ModalitiesInStudy: 'CT\\MR',
        PatientName: 'PHANTOM*',
        StudyInstanceUID: '',
        NumberOfStudyRelatedSeries: '',
        RetrieveAETitle: '',
        InstanceAvailability: '',
      });
      expect(more).toEqual([]);
      expect(found?.string('StudyInstanceUID')).toBe(study);
      expect(found?.string('RetrieveAETitle')).toBe('CALLOSUM');
      expect(found?.string('InstanceAvailability')).toBe('ONLINE');
      expect(found?.string('QueryRetrieveLevel')).toBe('STUDY');
      expect(found?.has('StudyDescription')).toBe(false);
      const bySeries = { ...patient, ...ofStudy, QueryRetrieveLevel: 'SERIES', SeriesInstanceUID: '', Modality: 'CT' };
      const ofSeries = await findscu(system, 'patient', bySeries);
      expect(ofSeries.map((each) => each.string('SeriesInstanceUID'))).toEqual([series]);
      const images = await findscu(system, 'study', {
        QueryRetrieveLevel: 'IMAGE',
        StudyInstanceUID: study,
        SeriesInstanceUID: series,
        SOPInstanceUID: '',
        InstanceNumber: '',
      });
      expect(images.map((each) => each.string('SOPInstanceUID')).sort()).toEqual(sent);
    });

    it('nothing where nothing is, and is told what its question lacks', async () => {
      expect(await findscu(system, 'study', { ...ofStudy, PatientID: 'NOBODY' })).toEqual([]);
      const { said } = await countscu(system, { QueryRetrieveLevel: 'SERIES', SeriesInstanceUID: '' });
      expect(said).toMatch(/Final Find Response \(Error: DataSetDoesNotMatchSOPClass\)/);
    });

    it('10,000 studies, as fast as it reads them, or only the first after a C-CANCEL', async () => {
      // Some 3 MB of answers: more than sockets hold of what a slow reader has not taken, so that its C-CANCEL is in time.
      const studies = 10_000;
      await fillIndex(administrator(system), studies);
      const keys = { QueryRetrieveLevel: 'STUDY', PatientID: 'BENCH*', StudyInstanceUID: '' };
      expect((await countscu(system, keys)).pending).toBe(studies);
      const { said, pending } = await countscu(system, keys, 3);
      expect(said).toMatch(/Final Find Response \(Cancel/);
      // What was on its way when the C-CANCEL came is read still.
      expect(pending).toBeGreaterThanOrEqual(3);
      expect(pending).toBeLessThan(studies);
      // The node goes on.
      expect((await countscu(system, { ...keys, PatientID: 'BENCH00000001' })).pending).toBe(3);
    });
  });

  describe('moves with movescu', () => {
    it('a study to a node that takes it as it is: equal, element by element', async () => {
      const said = await movescu(system, 'study', 'STORE', ofStudy);
      expect(said).toMatch(success);
      const judgement = await judge('files', folderOf(slices.map(({ bytes }) => bytes)), store.folder);
      expect(judgement).toMatchObject({ instances: slices.length, differences: [] });
    });

    it('two instances of it to a node of Implicit VR alone', async () => {
      const uids = sent.slice(0, 2);
      const keys = { QueryRetrieveLevel: 'IMAGE', SeriesInstanceUID: series, SOPInstanceUID: uids.join('\\') };
      const said = await movescu(system, 'patient', 'IMPLICIT', { ...patient, ...ofStudy, ...keys });
      expect(said).toMatch(success);
      expect(uidsIn(implicit.folder)).toEqual(uids);
      for (const path of filesIn(implicit.folder)) {
        const { fileMeta, dataset: got } = parseFile(readFileSync(path));
        expect(fileMeta.transferSyntaxUid).toBe(ImplicitVRLittleEndian);
        const original = slices.find(({ sopInstanceUid }) => sopInstanceUid === got.string('SOPInstanceUID'));
        const pixels = parseFile(original?.bytes ?? new Uint8Array()).dataset.bytes('PixelData');
        expect(Buffer.from(got.bytes('PixelData') ?? []).equals(Buffer.from(pixels ?? []))).toBe(true);
      }
    });

    it('nothing to a node that is away, or that nobody knows', async () => {
      expect(await movescu(system, 'study', 'DEAD', ofStudy)).toMatch(/DIMSE Status +: 0xa702/);
      expect(await movescu(system, 'study', 'NOBODY', ofStudy)).toMatch(/DIMSE Status +: 0xa801/);
    });
  });

  it('gets a study with getscu on its own association', async () => {
    const { folder, said } = await getscu(system, 'study', ofStudy);
    expect(said).toMatch(success);
    expect(uidsIn(folder)).toEqual(sent);
    const judgement = await judge('files', folderOf(slices.map(({ bytes }) => bytes)), folder);
    expect(judgement.differences).toEqual([]);
  });

  it('gets with pynetdicom what its roles and contexts allow, and asks across levels once that is agreed on', async () => {
    const said = await runPython<Record<string, unknown>>(getAndFind, [String(system.dimsePort), study, sent[0] ?? '']);
    expect(said).toEqual({
      get: { status: 0, completed: slices.length, failed: 0, received: slices.length },
      without: { status: 0xa702, completed: 0, failed: slices.length, received: 0 },
      hierarchical: 0xa900,
      relational: [sent[0]],
    });
  });

  const charsets = testData('charsets');
  it.skipIf(charsets === undefined)('reads names in the character sets of the world', async () => {
    const names = new Map<string, string>();
    const files = filesIn(charsets ?? '').filter((path) => path.endsWith('.dcm'));
    const objects = files.map((path) => {
      // Empty component groups at the end are not kept by DICOM JSON.
      const name = (dataset(path).string('PatientName') ?? '').replace(/=+$/, '');
      const uid = `2.25.${4_700_000 + names.size}`;
      names.set(uid, name);
      const part = { StudyInstanceUID: uid, SeriesInstanceUID: `${uid}.1`, SOPInstanceUID: `${uid}.2` };
      return tinyCt({ ...part, PatientID: `CHARSET ${basename(path)}`, PatientName: name }).bytes;
    });
    expect((await stow(system.httpUrl, objects)).status).toBe(200);
    await eventually('all names in the index', 30_000, async () => {
      const found = await qido(system.httpUrl, 'studies?PatientID=CHARSET*&limit=100');
      return found.length === names.size;
    });
    const keys = { QueryRetrieveLevel: 'STUDY', PatientID: 'CHARSET*', StudyInstanceUID: '', PatientName: '' };
    for (const characterSet of ['ISO_IR 192', 'GB18030', '\\ISO 2022 IR 87\\ISO 2022 IR 149']) {
      const found = await findscu(system, 'study', { ...keys, SpecificCharacterSet: characterSet });
      const got = found.map((each): [string, string] => [
        each.string('StudyInstanceUID') ?? '',
        each.string('PatientName') ?? '',
      ]);
      expect(new Map(got), characterSet).toEqual(names);
    }
  });

  const rle = testData('codecs', 'ct-rle.dcm');
  it.skipIf(rle === undefined)('is given compressed images without loss, and no video in part', async () => {
    const codecs = join(rle ?? '', '..');
    const wanted = ['ct-rle.dcm', 'mr-jpegls-lossless.dcm', 'video-h264-hp41.dcm'].map((name) => join(codecs, name));
    const [image, , video] = wanted.map(dataset);
    expect(
      (
        await stow(
          system.httpUrl,
          wanted.map((path) => readFileSync(path)),
        )
      ).status,
    ).toBe(200);
    const ofOne = (one: DicomDataset | undefined): Keys => ({
      QueryRetrieveLevel: 'STUDY',
      StudyInstanceUID: one?.string('StudyInstanceUID') ?? '',
    });
    await indexed(ofOne(image)['StudyInstanceUID'] ?? '', 1);
    await indexed(ofOne(video)['StudyInstanceUID'] ?? '', 1);
    const { folder } = await getscu(system, 'study', ofOne(image));
    const judgement = await judge('pixels', folderOf([readFileSync(wanted[0] ?? '')]), folder);
    expect(judgement).toMatchObject({ instances: 1, differences: [] });
    expect(await movescu(system, 'study', 'IMPLICIT', ofOne(video))).toMatch(/DIMSE Status +: 0xa702/);
    expect(uidsIn(implicit.folder)).not.toContain(video?.string('SOPInstanceUID'));
  });

  it('tells its log nothing of whom was asked for, found or not, refused or not', async () => {
    const name = 'Plantedname^Asked';
    expect(await findscu(system, 'study', { ...ofStudy, PatientName: name })).toEqual([]);
    const noDate = await countscu(system, { ...ofStudy, PatientBirthDate: name });
    expect(noDate.said).toMatch(/Error: DataSetDoesNotMatchSOPClass/);
    const several: Keys = { QueryRetrieveLevel: 'PATIENT', PatientID: 'PLANTEDNAME*' };
    expect(await movescu(system, 'patient', 'STORE', several)).toMatch(/DIMSE Status +: 0xa900/);
    expect(system.logs()).toContain('dimse.refused');
    expect(system.logs()).not.toMatch(/plantedname|TINY-0001|PHANTOM\^/i);
  });
});
