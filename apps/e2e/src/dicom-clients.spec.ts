import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { decodeFrames, parseFile } from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';
import { testDataPath } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { asStored, type DicomJson, folderOf, qido, stow, textAt, wadoFolder, wadoParts } from './harness/dicomweb.js';
import { eventually, imagingStudyOf } from './harness/fhir.js';
import { judge } from './harness/judge.js';
import { newFolder, testData } from './harness/paths.js';
import { smallPhantom, storescu, writeStudy } from './harness/studies.js';

const filesOf = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.dcm'))
    .sort()
    .map((name) => join(folder, name));

interface Uids {
  readonly study: string;
  readonly series: string;
  readonly instance: string;
}

function uidsOf(bytes: Uint8Array): Uids {
  const { dataset } = parseFile(bytes);
  const uid = (keyword: string): string => dataset.string(keyword) ?? '';
  return { study: uid('StudyInstanceUID'), series: uid('SeriesInstanceUID'), instance: uid('SOPInstanceUID') };
}

const instancePath = ({ study, series, instance }: Uids): string =>
  `studies/${study}/series/${series}/instances/${instance}`;

const explicitVrLittleEndian = '1.2.840.10008.1.2.1';

describe("other people's clients", () => {
  let system: Callosum;
  beforeAll(async () => {
    system = await Callosum.start('clients', { worker: false });
  });
  afterAll(() => system.stop());

  describe('a CT sent by storescu', () => {
    const ct = testData('studies', 'ct-chest');
    const folder = ct ?? writeStudy(smallPhantom({ uidSalt: 'clients' }));
    const files = filesOf(folder).map((path) => readFileSync(path));
    const uids = files.map(uidsOf);
    const [first] = uids as [Uids];
    const seriesCount = new Set(uids.map(({ series }) => series)).size;

    beforeAll(async () => {
      const sent = await storescu(system, [folder]);
      expect(sent.code, sent.stderr).toBe(0);
    });

    it('is retrieved at once, equal element by element, private ones too', async () => {
      // Not a moment is given to the index: what was acknowledged is there.
      const judgement = await judge('kept', folder, await wadoFolder(system.httpUrl, `studies/${first.study}`));
      expect(judgement.differences).toEqual([]);
      expect(judgement.instances).toBe(files.length);
      if (ct !== undefined) {
        expect(judgement.private).toBeGreaterThan(files.length);
        expect(judgement.sequences).toBeGreaterThan(0);
      }
    });

    it('is found at every level, with counts', async () => {
      const study = await eventually('the whole study in QIDO', 20_000, async () => {
        const [found] = await qido(system.httpUrl, `studies?StudyInstanceUID=${first.study}`);
        return Number(textAt(found, '00201208')) === files.length && found;
      });
      expect(Number(textAt(study, '00201206'))).toBe(seriesCount);
      expect(textAt(study, '00081190')).toBe(`${system.httpUrl}/dicom-web/studies/${first.study}`);
      expect(study['00080061']?.Value).toEqual(['CT']);
      const series = await qido(system.httpUrl, `studies/${first.study}/series`);
      expect(series.map((one) => textAt(one, '0020000E')).sort()).toEqual(
        [...new Set(uids.map((one) => one.series))].sort(),
      );
      const instances = await qido(system.httpUrl, `studies/${first.study}/instances?limit=500`);
      expect(instances.map((one) => textAt(one, '00080018')).sort()).toEqual(uids.map((one) => one.instance).sort());
      const ofSeries = await qido(system.httpUrl, `studies/${first.study}/series/${first.series}/instances`);
      expect(ofSeries).toHaveLength(uids.filter((one) => one.series === first.series).length);
    });

    it('is found by name, ID and date as a person types them, page by page', async () => {
      const { dataset } = parseFile(files[0] ?? new Uint8Array());
      const name = dataset.string('PatientName') ?? '';
      for (const query of [
        `PatientName=${name.slice(0, 5).toLowerCase()}*`,
        `PatientID=${dataset.string('PatientID') ?? ''}`,
        `StudyDate=${dataset.string('StudyDate') ?? ''}-`,
        `00080061=CT`,
      ]) {
        const found = await qido(system.httpUrl, `studies?${query}`);
        expect(
          found.map((one) => textAt(one, '0020000D')),
          query,
        ).toContain(first.study);
      }
      expect(await qido(system.httpUrl, 'studies?PatientID=NOBODY')).toEqual([]);
      const pages: string[] = [];
      for (let offset = 0; offset < files.length; offset += 20) {
        const page = await qido(system.httpUrl, `studies/${first.study}/instances?limit=20&offset=${offset}`);
        pages.push(...page.map((one) => textAt(one, '00080018')));
      }
      expect([...pages].sort()).toEqual(uids.map((one) => one.instance).sort());
    });

    it('is retrieved by series and by instance', async () => {
      const series = uids.flatMap((one, i) => (one.series === first.series ? [files[i] ?? new Uint8Array()] : []));
      const got = await wadoFolder(system.httpUrl, `studies/${first.study}/series/${first.series}`);
      expect(await judge('kept', folderOf(series), got)).toMatchObject({
        instances: series.length,
        differences: [],
      });
      const one = await fetch(`${system.httpUrl}/dicom-web/${instancePath(first)}`, {
        headers: { accept: 'application/dicom; transfer-syntax=*' },
      });
      expect(one.headers.get('content-type')).toContain('application/dicom');
      const single = folderOf([Buffer.from(await one.arrayBuffer())]);
      expect(await judge('kept', folderOf(files.slice(0, 1)), single)).toMatchObject({
        instances: 1,
        differences: [],
      });
    });

    it('gives its frames as the bytes of Pixel Data', async () => {
      for (const [i, uid] of uids.slice(0, 5).entries()) {
        const accept = 'multipart/related; type="application/octet-stream"; transfer-syntax=*';
        const parts = await wadoParts(system.httpUrl, `${instancePath(uid)}/frames/1`, accept);
        expect(parts).toHaveLength(1);
        const pixels = parseFile(files[i] ?? new Uint8Array()).dataset.bytes('PixelData') ?? new Uint8Array();
        expect(parts[0]?.bytes.equals(pixels)).toBe(true);
      }
    });

    it('gives metadata that pydicom reads, bulk data behind its links', async () => {
      const response = await fetch(`${system.httpUrl}/dicom-web/studies/${first.study}/metadata`);
      expect(response.headers.get('content-type')).toContain('application/dicom+json');
      const path = join(newFolder('metadata'), 'metadata.json');
      writeFileSync(path, await response.text());
      expect(await judge('json', folder, path, system.httpUrl)).toMatchObject({
        instances: files.length,
        differences: [],
      });
    });

    it('answers wrong requests with what is wrong', async () => {
      const get = async (path: string, accept = '*/*'): Promise<number> =>
        (await fetch(`${system.httpUrl}/dicom-web/${path}`, { headers: { accept } })).status;
      expect(await get('studies/1.2.3')).toBe(404);
      expect(await get(`studies/${first.study}/series/1.2.3/metadata`)).toBe(404);
      expect(await get(`${instancePath(first)}/frames/2`)).toBe(404);
      expect(await get(`${instancePath(first)}/bulkdata/00420011`)).toBe(404);
      expect(await get('studies/not-a-uid')).toBe(400);
      expect(await get(`${instancePath(first)}/frames/0`)).toBe(400);
      expect(await get('studies?limit=many')).toBe(400);
      expect(await get('studies?StudyDate=yesterday')).toBe(400);
      expect(await get('studies?NoSuchAttribute=1')).toBe(200);
      expect(await get(`studies/${first.study}`, 'image/png')).toBe(406);
      expect(await get(`studies/${first.study}`, 'application/dicom')).toBe(406);
      expect(await get(`studies/${first.study}/metadata`, 'text/html')).toBe(406);
      expect(await get('studies', 'text/html')).toBe(406);
    });
  });

  describe('STOW-RS', () => {
    const mr = testData('studies', 'mr-t1');
    const bytes =
      mr === undefined
        ? tinyCt({ StudyInstanceUID: '2.25.71', SeriesInstanceUID: '2.25.72', SOPInstanceUID: '2.25.73' }).bytes
        : readFileSync(filesOf(mr)[0] ?? '');
    const uids = uidsOf(bytes);

    it('stores a slice; the same again is success and no second instance', async () => {
      for (let time = 0; time < 2; time++) {
        const { status, dataset } = await stow(system.httpUrl, [bytes]);
        expect(status).toBe(200);
        const [reference] = (dataset['00081199']?.Value ?? []) as DicomJson[];
        expect(textAt(reference, '00081155')).toBe(uids.instance);
        expect(textAt(reference, '00081190')).toBe(`${system.httpUrl}/dicom-web/${instancePath(uids)}`);
      }
      await eventually(
        'the slice in QIDO',
        20_000,
        async () => (await qido(system.httpUrl, `studies/${uids.study}/instances`)).length > 0,
      );
      expect(await qido(system.httpUrl, `studies/${uids.study}/instances`)).toHaveLength(1);
      const judgement = await judge('kept', folderOf([bytes]), await wadoFolder(system.httpUrl, instancePath(uids)));
      expect(judgement.differences).toEqual([]);
    });

    it('keeps the good objects of a request and names the bad ones', async () => {
      const [one, other] = ['2.25.81', '2.25.82'].map((uid) =>
        tinyCt({ StudyInstanceUID: '2.25.80', SeriesInstanceUID: '2.25.83', SOPInstanceUID: uid }),
      ) as [ReturnType<typeof tinyCt>, ReturnType<typeof tinyCt>];
      const cut = bytes.subarray(0, Math.floor(bytes.length / 2));
      const { status, dataset } = await stow(system.httpUrl, [one.bytes, Buffer.from('no DICOM'), cut, other.bytes]);
      expect(status).toBe(202);
      const stored = (dataset['00081199']?.Value ?? []) as DicomJson[];
      expect(stored.map((reference) => textAt(reference, '00081155'))).toEqual(['2.25.81', '2.25.82']);
      // What has no readable header has no name to fail under (PS3.18 Table I.2-1).
      expect(dataset['0008119A']?.Value).toEqual([{ '00081197': { vr: 'US', Value: [0xc000] } }]);
      const failed = (dataset['00081198']?.Value ?? []) as DicomJson[];
      expect(failed.map((one) => [textAt(one, '00081155'), textAt(one, '00081197')])).toEqual([
        [uids.instance, 0xc000],
      ]);
      expect(await wadoParts(system.httpUrl, 'studies/2.25.80', asStored)).toHaveLength(2);
    });

    it('refuses with 409 when nothing could be stored, and what belongs to another study', async () => {
      expect((await stow(system.httpUrl, [Buffer.from('no DICOM')])).status).toBe(409);
      const stray = tinyCt({ StudyInstanceUID: '2.25.90', SeriesInstanceUID: '2.25.91', SOPInstanceUID: '2.25.92' });
      const refused = await stow(system.httpUrl, [stray.bytes], 'studies/2.25.99');
      expect(refused.status).toBe(409);
      const [failed] = (refused.dataset['00081198']?.Value ?? []) as DicomJson[];
      expect([textAt(failed, '00081155'), textAt(failed, '00081197')]).toEqual(['2.25.92', 0xa900]);
      expect(refused.dataset['0008119A']).toBeUndefined();
      expect((await fetch(`${system.httpUrl}/dicom-web/studies/2.25.90`)).status).toBe(404);
    });

    it('takes the same Patient ID without an issuer from two clients for two patients', async () => {
      const clients = ['clinic-a', 'clinic-b', 'clinic-a'];
      for (const [at, client] of clients.entries()) {
        const study = tinyCt({
          StudyInstanceUID: `2.25.10${at}`,
          SeriesInstanceUID: `2.25.10${at}.1`,
          SOPInstanceUID: `2.25.10${at}.2`,
          PatientID: 'E2E-SOURCE-1',
          PatientName: 'Same^Person',
          PatientBirthDate: '19600102',
          PatientSex: 'F',
          IssuerOfPatientID: undefined,
        });
        expect((await stow(system.httpUrl, [study.bytes], `from/${client}/studies`)).status).toBe(200);
      }
      const subjects: unknown[] = [];
      for (const at of clients.keys()) {
        const found = await eventually(`study ${at} in the record`, 60_000, () =>
          imagingStudyOf(system.httpUrl, `2.25.10${at}`),
        );
        subjects.push((found['subject'] as { reference: string }).reference);
      }
      expect(subjects[0]).toBe(subjects[2]);
      expect(subjects[0]).not.toBe(subjects[1]);
      const unnameable = await fetch(`${system.httpUrl}/dicom-web/from/a:b/studies`, {
        method: 'POST',
        headers: { 'content-type': 'application/dicom' },
        body: Buffer.from(bytes),
      });
      expect(unnameable.status).toBe(400);
    });

    it('answers requests that are none with 400 and 415', async () => {
      const post = async (contentType: string, body: string | Uint8Array): Promise<number> => {
        const headers = { 'content-type': contentType };
        return (
          await fetch(`${system.httpUrl}/dicom-web/studies`, { method: 'POST', headers, body: Buffer.from(body) })
        ).status;
      };
      expect(await post('application/json', '{}')).toBe(415);
      expect(await post('multipart/related; type="image/jpeg"; boundary=x', '--x--')).toBe(415);
      expect(await post('multipart/related; type="application/dicom"', '--x--')).toBe(400);
      expect(await post('multipart/related; type="application/dicom"; boundary=x', '--x--')).toBe(400);
      expect(await post('multipart/related; type="application/dicom"; boundary=x', '--x\r\n\r\nabc')).toBe(400);
      // A large body that nobody wants is answered too, not cut off.
      expect(await post('text/plain', new Uint8Array(20_000_000))).toBe(415);
    });
  });

  const codecs = testDataPath('codecs');
  describe.skipIf(codecs === undefined)('objects of every transfer syntax', () => {
    const files = codecs === undefined ? [] : filesOf(codecs);
    const named = (name: string): Buffer => readFileSync(join(codecs ?? '', name));

    beforeAll(async () => {
      const { status } = await stow(
        system.httpUrl,
        files.map((path) => readFileSync(path)),
      );
      expect(status).toBe(200);
    });

    it('come back as they are, but Implicit VR and Big Endian in Explicit VR Little Endian', async () => {
      const sent = newFolder('codecs');
      for (const path of files) cpSync(path, join(sent, path.split('/').at(-1) ?? ''));
      const got: Buffer[] = [];
      for (const path of files) {
        const uids = uidsOf(readFileSync(path));
        const [part] = await wadoParts(system.httpUrl, instancePath(uids), asStored);
        if (part) got.push(part.bytes);
      }
      const judgement = await judge('kept', sent, folderOf(got));
      expect(judgement).toMatchObject({ instances: files.length, differences: [] });
    });

    it.each(['implicit-le', 'explicit-be', 'deflated', 'explicit-le'])(
      'come as Explicit VR Little Endian when no syntax is named: %s',
      async (syntax) => {
        const objects = ['ct', 'mr'].map((kind) => named(`${kind}-${syntax}.dcm`));
        const got: Buffer[] = [];
        for (const bytes of objects) {
          const [part] = await wadoParts(
            system.httpUrl,
            instancePath(uidsOf(bytes)),
            'multipart/related; type="application/dicom"',
          );
          expect(part?.contentType).toContain(explicitVrLittleEndian);
          if (part) got.push(part.bytes);
        }
        expect(await judge('pixels', folderOf(objects), folderOf(got))).toMatchObject({
          instances: 2,
          differences: [],
        });
      },
    );

    it('give native frames little-endian, whatever they were', async () => {
      const accept = 'multipart/related; type="application/octet-stream"';
      for (const kind of ['ct', 'mr']) {
        const pixels = parseFile(named(`${kind}-explicit-le.dcm`)).dataset.bytes('PixelData') ?? new Uint8Array();
        for (const syntax of ['implicit-le', 'explicit-be', 'deflated', 'explicit-le']) {
          const path = instancePath(uidsOf(named(`${kind}-${syntax}.dcm`)));
          const [frame] = await wadoParts(system.httpUrl, `${path}/frames/1`, accept);
          expect(frame?.bytes.equals(pixels), `${kind} ${syntax}`).toBe(true);
          const [bulk] = await wadoParts(system.httpUrl, `${path}/bulkdata/7FE00010`, accept);
          expect(bulk?.bytes.equals(pixels), `${kind} ${syntax} as bulk data`).toBe(true);
        }
      }
    });

    it('give compressed frames as they are encoded, fragments joined, by list and as bulk data', async () => {
      for (const name of ['ct-mf-fragments-bot.dcm', 'ct-mf-no-bot.dcm', 'ct-rle.dcm', 'ct-htj2k-lossless.dcm']) {
        const path = instancePath(uidsOf(named(name)));
        const accept = 'multipart/related; type="application/octet-stream"; transfer-syntax=*';
        const count = parseFile(named(name)).dataset.number('NumberOfFrames') ?? 1;
        const list = Array.from({ length: count }, (_, i) => i + 1).join();
        for (const resource of [`frames/${list}`, 'bulkdata/7FE00010']) {
          const parts = await wadoParts(system.httpUrl, `${path}/${resource}`, accept);
          expect(parts).toHaveLength(count);
          const got = folderOf(parts.map(({ bytes }) => bytes));
          expect((await judge('frames', join(codecs ?? '', name), got)).differences, `${name} ${resource}`).toEqual([]);
        }
      }
    });

    it('give frames uncompressed where octets are asked for, and no syntax is named', async () => {
      const pixels = parseFile(named('ct-explicit-le.dcm')).dataset.bytes('PixelData') ?? new Uint8Array();
      for (const name of ['ct-j2k-lossless.dcm', 'ct-jpegls-lossless.dcm', 'ct-rle.dcm', 'ct-htj2k-lossless.dcm']) {
        const path = instancePath(uidsOf(named(name)));
        for (const resource of ['frames/1', 'bulkdata/7FE00010']) {
          const accept = 'multipart/related; type="application/octet-stream"';
          const [frame] = await wadoParts(system.httpUrl, `${path}/${resource}`, accept);
          expect(frame?.contentType).toContain(explicitVrLittleEndian);
          expect(frame?.bytes.equals(pixels), `${name} ${resource}`).toBe(true);
        }
      }
    });

    it('are not given uncompressed under a wrong name', async () => {
      const path = instancePath(uidsOf(named('video-mpeg2-mp-ml.dcm')));
      const accept = 'multipart/related; type="application/octet-stream"';
      const { status } = await fetch(`${system.httpUrl}/dicom-web/${path}/frames/1`, { headers: { accept } });
      expect(status).toBe(406);
    });

    it('are given as they were before compression, and in another one, when that is asked for', async () => {
      const pixels = parseFile(named('ct-explicit-le.dcm')).dataset.bytes('PixelData') ?? new Uint8Array();
      for (const name of ['ct-j2k-lossless.dcm', 'ct-jpegls-lossless.dcm', 'ct-rle.dcm', 'ct-htj2k-lossless.dcm']) {
        const path = `${system.httpUrl}/dicom-web/${instancePath(uidsOf(named(name)))}`;
        const plain = await fetch(path, { headers: { accept: 'application/dicom' } });
        const file = parseFile(new Uint8Array(await plain.arrayBuffer()));
        expect(file.dataset.bytes('PixelData'), name).toEqual(new Uint8Array(pixels));
        const accept = 'application/dicom; transfer-syntax=1.2.840.10008.1.2.4.80';
        const other = await fetch(path, { headers: { accept } });
        expect(other.headers.get('content-type')).toContain('1.2.840.10008.1.2.4.80');
        const [frame] = await decodeFrames(new Uint8Array(await other.arrayBuffer()));
        expect(Buffer.from(frame?.samples.buffer ?? new ArrayBuffer()).equals(pixels), name).toBe(true);
      }
    });
  });

  it('needs no person afterwards: nothing failed on the server', () => {
    expect(system.logs()).not.toContain('dicomweb.failed');
  });
});
