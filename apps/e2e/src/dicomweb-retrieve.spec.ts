import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import { implementationClassUid, parseFile, toDicomJson, writeFile } from '@callosum/dicom';
import { tinyCt, tinySeries } from '@callosum/phantom';
import { startOrthanc } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { launchChromium } from './harness/browser.js';
import { Callosum } from './harness/callosum.js';
import { dcm2json, differences } from './harness/dcm2json.js';
import { type DicomJson, qido, stow, textAt, wadoParts } from './harness/dicomweb.js';
import { eventually } from './harness/fhir.js';
import { newFolder, testData } from './harness/paths.js';
import { run } from './harness/processes.js';

/** Some messages of the index, and some hundred KiB of pieces. */
const count = 600;
const slices = tinySeries({ slices: count, salt: 'dicomweb-retrieve' });
const [first = tinyCt()] = slices;
const octets = 'multipart/related; type="application/octet-stream"';

/** 300 frames of 16 pixels, each of its number. */
function multiFrame() {
  const frames = 300;
  const uids = { StudyInstanceUID: '2.25.3001', SeriesInstanceUID: '2.25.3002', SOPInstanceUID: '2.25.3003' };
  const { '7FE00010': _, ...attributes } = toDicomJson(parseFile(tinyCt(uids).bytes).dataset, { omitBulkData: true });
  const us = (value: number) => ({ vr: 'US', Value: [value] });
  const pixels = Uint8Array.from({ length: frames * 16 }, (_, at) => Math.floor(at / 16) & 0xff);
  const dataset = {
    ...attributes,
    '00280008': { vr: 'IS', Value: [frames] },
    '00280010': us(4),
    '00280011': us(4),
    '00280100': us(8),
    '00280101': us(8),
    '00280102': us(7),
    '7FE00010': { vr: 'OB', bytes: pixels },
  };
  const bytes = writeFile(dataset, { implementationClassUid });
  return { bytes, frames, path: 'studies/2.25.3001/series/2.25.3002/instances/2.25.3003' };
}

describe('what a client retrieves', () => {
  let system: Callosum;
  let base: string;
  const study = `studies/${first.studyInstanceUid}`;
  const instance = `${study}/series/${first.seriesInstanceUid}/instances/${first.sopInstanceUid}`;

  beforeAll(async () => {
    system = await Callosum.start('retrieve', { worker: false });
    base = `${system.httpUrl}/dicom-web`;
    const sent = await stow(
      system.httpUrl,
      slices.map(({ bytes }) => bytes),
    );
    expect(sent.status).toBe(200);
    await eventually('all slices are indexed', 120_000, async () => {
      const [found] = await qido(system.httpUrl, `studies?StudyInstanceUID=${first.studyInstanceUid}`);
      return Number(textAt(found, '00201208')) === count;
    });
  });
  afterAll(() => system.stop());

  const curl = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await run('curl', ['--silent', '--show-error', ...args]);
    expect(code, stderr).toBe(0);
    return stdout;
  };
  const uidsIn = (text: string): string[] =>
    (JSON.parse(text) as DicomJson[]).map((dataset) => textAt(dataset, '00080018'));
  const all = slices.map(({ sopInstanceUid }) => sopInstanceUid).sort();

  describe('metadata of many slices, compressed', () => {
    it.each(['gzip', 'br', 'identity'])('is whole for curl (%s)', async (coding) => {
      const path = join(newFolder('curl'), 'metadata.json');
      const heads = await curl(
        '-H',
        `Accept-Encoding: ${coding}`,
        '--compressed',
        '-D',
        '-',
        '-o',
        path,
        `${base}/${study}/metadata`,
      );
      expect(/content-encoding: (\S+)/i.exec(heads)?.[1]).toBe(coding === 'identity' ? undefined : coding);
      expect(uidsIn(readFileSync(path, 'utf8')).sort()).toEqual(all);
    });

    it('is one gzip member, and nothing is behind it', async () => {
      const path = join(newFolder('gunzip'), 'metadata.json.gz');
      await curl('-H', 'Accept-Encoding: gzip', '-o', path, `${base}/${study}/metadata`);
      expect(await run('gunzip', ['-t', path])).toMatchObject({ code: 0, stderr: '' });
      expect(uidsIn(gunzipSync(readFileSync(path)).toString()).sort()).toEqual(all);
    });

    it('is whole for a page in a browser', async () => {
      const browser = await launchChromium();
      try {
        // Of this origin; its policy, under which nothing is loaded, is not what is asked about.
        const page = await (await browser.newContext({ bypassCSP: true })).newPage();
        await page.goto(`${base}/studies/1.2.3`);
        const got = await page.evaluate(async (url) => {
          const answer = await fetch(url);
          const datasets = (await answer.json()) as unknown[];
          return { coding: answer.headers.get('content-encoding'), length: datasets.length };
        }, `${base}/${study}/metadata`);
        expect(got).toEqual({ coding: 'gzip', length: count });
      } finally {
        await browser.close();
      }
    });
  });

  it('of a study of many comes as it was sent, as long as was said', async () => {
    const path = join(newFolder('curl'), 'study');
    const accept = 'multipart/related; type="application/dicom"; transfer-syntax=*';
    const heads = await curl('-H', `Accept: ${accept}`, '-D', '-', '-o', path, `${base}/${study}`);
    expect(Number(/content-length: (\d+)/i.exec(heads)?.[1])).toBe(readFileSync(path).length);
    const parts = await wadoParts(system.httpUrl, study, accept);
    expect(parts).toHaveLength(count);
    const sent = new Set(slices.map(({ bytes }) => Buffer.from(bytes).toString('base64')));
    for (const { bytes } of parts) expect(sent.delete(bytes.toString('base64'))).toBe(true);
  });

  it('breaks off, and is had from there on', async () => {
    const path = join(newFolder('curl'), 'slice.dcm');
    const accept = ['-H', 'Accept: application/dicom'];
    await curl(...accept, '-r', '0-999', '-o', path, `${base}/${instance}`);
    expect(readFileSync(path)).toEqual(Buffer.from(first.bytes.subarray(0, 1_000)));
    await curl(...accept, '-C', '-', '-o', path, `${base}/${instance}`);
    expect(readFileSync(path)).toEqual(Buffer.from(first.bytes));
  });

  it('and has already is not sent again, until it is corrected', async () => {
    const folder = newFolder('curl');
    const [tag, path] = [join(folder, 'etag'), join(folder, 'answer')];
    const status = ['-o', path, '-w', '%{http_code}'];
    for (const resource of [instance, `${instance}/metadata`, `${instance}/frames/1`, `${study}/metadata`]) {
      const url = `${base}/${resource}`;
      expect(await curl('--etag-save', tag, ...status, url), resource).toBe('200');
      expect(readFileSync(path).length).toBeGreaterThan(0);
      expect(await curl('--etag-compare', tag, ...status, url), resource).toBe('304');
    }
    const { sopInstanceUid: SOPInstanceUID, seriesInstanceUid: SeriesInstanceUID } = first;
    const [corrected = tinyCt()] = tinySeries({
      slices: 1,
      salt: 'dicomweb-retrieve',
      overrides: { SeriesDescription: 'corrected' },
    });
    expect([corrected.sopInstanceUid, corrected.seriesInstanceUid]).toEqual([SOPInstanceUID, SeriesInstanceUID]);
    expect((await stow(system.httpUrl, [corrected.bytes])).status).toBe(200);
    expect(await curl('--etag-compare', tag, ...status, `${base}/${study}/metadata`)).toBe('200');
    expect(readFileSync(path, 'utf8')).toContain('"corrected"');
  });

  it('and has already is gone at once when it is hidden', async () => {
    const hidden = tinyCt({
      StudyInstanceUID: '2.25.4001',
      SeriesInstanceUID: '2.25.4002',
      SOPInstanceUID: '2.25.4003',
    });
    expect((await stow(system.httpUrl, [hidden.bytes])).status).toBe(200);
    const path = 'studies/2.25.4001/series/2.25.4002/instances/2.25.4003';
    const resources = [path, `${path}/frames/1`, `${path}/bulkdata/7FE00010`, `${path}/metadata`];
    const ask = async (resource: string, etag = ''): Promise<Response> => {
      const answer = await fetch(`${base}/${resource}`, { headers: { 'if-none-match': etag } });
      await answer.arrayBuffer();
      return answer;
    };
    const tags = await Promise.all(resources.map(async (resource) => (await ask(resource)).headers.get('etag') ?? ''));
    for (const [at, resource] of resources.entries()) expect((await ask(resource, tags[at])).status).toBe(304);
    const deleted = await fetch(`${system.httpUrl}/api/imaging/studies/2.25.4001`, { method: 'DELETE' });
    expect(deleted.status).toBe(200);
    for (const [at, resource] of resources.entries())
      expect((await ask(resource, tags[at])).status, resource).toBe(404);
  });

  it('of many frames is what is asked for, each under its address', async () => {
    const { bytes, frames, path } = multiFrame();
    expect((await stow(system.httpUrl, [bytes])).status).toBe(200);
    const numbers = Array.from({ length: frames }, (_, i) => frames - i);
    const parts = await wadoParts(system.httpUrl, `${path}/frames/${numbers.join()}`, octets);
    expect(parts.map((part) => [...part.bytes])).toEqual(
      numbers.map((number) => Array.from({ length: 16 }, () => (number - 1) & 0xff)),
    );
    const one = await fetch(`${base}/${path}/frames/7`, { headers: { accept: octets } });
    expect(await one.text()).toContain(`Content-Location: ${base}/${path}/frames/7\r\n`);
    expect((await fetch(`${base}/${path}/frames/1,301`, { headers: { accept: octets } })).status).toBe(404);
  });

  it('goes to Orthanc, which asks by DICOMweb, byte by byte', async () => {
    const few = tinySeries({ slices: 12, salt: 'dicomweb-retrieve, Orthanc' });
    const sent = few.map(({ bytes }) => Buffer.from(bytes));
    expect((await stow(system.httpUrl, sent)).status).toBe(200);
    const orthanc = await startOrthanc({ dicomweb: { servers: { callosum: `${base}/` } } });
    try {
      const [{ studyInstanceUid: Study } = tinyCt()] = few;
      await orthanc.rest('/dicom-web/servers/callosum/retrieve', { Resources: [{ Study }] });
      const ids = await eventually('all slices in Orthanc', 30_000, async () => {
        const found = await orthanc.rest<string[]>('/instances');
        return found.length === few.length && found;
      });
      const got = await Promise.all(ids.map((id) => orthanc.bytes(`/instances/${id}/file`)));
      const texts = (all: readonly Buffer[]): string[] => all.map((bytes) => bytes.toString('base64')).sort();
      expect(texts(got)).toEqual(texts(sent));
    } finally {
      await orthanc.stop();
    }
  });

  const files = ['charsets', 'codecs', join('results', 'reference-highdicom')].flatMap((folder) => {
    const path = testData(folder);
    if (path === undefined) return [];
    return readdirSync(path)
      .filter((name) => name.endsWith('.dcm') && !name.startsWith('video'))
      .map((name) => join(path, name));
  });

  it.skipIf(files.length === 0)('as metadata is what dcm2json says of the file', async () => {
    const wrong: string[] = [];
    let judged = 0;
    for (const path of files) {
      const theirs = await dcm2json(path);
      // An object without a study is nobody's here.
      if (!theirs || textAt(theirs, '0020000D') === '') continue;
      judged++;
      const { dataset } = parseFile(readFileSync(path));
      const uid = (keyword: string): string => dataset.string(keyword) ?? '';
      expect((await stow(system.httpUrl, [readFileSync(path)])).status, path).toBe(200);
      const resource = `studies/${uid('StudyInstanceUID')}/series/${uid('SeriesInstanceUID')}/instances/${uid('SOPInstanceUID')}`;
      const answer = await fetch(`${base}/${resource}/metadata`);
      expect(answer.status, path).toBe(200);
      const [ours = {}] = (await answer.json()) as DicomJson[];
      for (const difference of differences(ours, theirs)) wrong.push(`${path.split('/').at(-1) ?? ''} ${difference}`);
    }
    expect(wrong).toEqual([]);
    expect(judged).toBeGreaterThanOrEqual(20);
  });

  it('leaves nothing failed on the server', () => {
    for (const event of ['dicomweb.failed', 'dicomweb.answer-cut']) expect(system.logs()).not.toContain(event);
  });
});
