import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { ExplicitVRLittleEndian, isEncapsulated, parseFile } from '@callosum/dicom';
import { type Orthanc, orSkip, startOrthanc } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { asStored, type DicomJson, folderOf, qido, textAt, wadoParts } from './harness/dicomweb.js';
import { filesOf, uidsOf } from './harness/equal.js';
import { judge } from './harness/judge.js';
import { newFolder, python, root, testData } from './harness/paths.js';
import { run } from './harness/processes.js';
import { smallPhantom, writeStudy } from './harness/studies.js';

interface Told {
  readonly status?: number;
  readonly url: string | null;
  readonly referenced: readonly { readonly uid: string; readonly url: string }[];
  readonly failed: readonly { readonly uid: string; readonly reason: number }[];
}

const script = join(root, 'apps/e2e/peers/stow_clients.py');
async function peer<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await run(python, [script, ...args]);
  if (code !== 0) throw new Error(`stow_clients.py ${args[0] ?? ''}: ${stderr.slice(-2000)}`);
  return JSON.parse(stdout) as T;
}

const studyOf = (path: string | undefined): string => uidsOf(readFileSync(path ?? '')).study;

describe("other people's clients of STOW-RS", () => {
  let system: Callosum;
  let url: string;
  let orthanc: Orthanc | undefined;

  beforeAll(async () => {
    system = await Callosum.start('stow-clients', { worker: false });
    url = `${system.httpUrl}/dicom-web`;
  });
  afterAll(async () => {
    await orthanc?.stop();
    await system.stop();
  });

  /** What is kept of a study against the files that were sent. */
  async function expectKept(folder: string, study: string): Promise<void> {
    const got = folderOf((await wadoParts(system.httpUrl, `studies/${study}`, asStored)).map(({ bytes }) => bytes));
    const judgement = await judge('kept', folder, got);
    expect(judgement.differences).toEqual([]);
    expect(judgement.instances).toBe(filesOf(folder).length);
  }

  it('dicomweb-client of Python reads what became of each instance', async () => {
    const folder = writeStudy(smallPhantom({ uidSalt: 'stow-client', slices: 6 }));
    const study = studyOf(filesOf(folder)[0]);
    const { first, again, elsewhere, uids } = await peer<
      Readonly<Record<'first' | 'again' | 'elsewhere', Told>> & { readonly uids: readonly string[] }
    >('client', url, folder);
    for (const answer of [first, again]) {
      expect(answer.url).toBe(`${url}/studies/${study}`);
      expect(answer.referenced.map(({ uid }) => uid)).toEqual(uids);
      expect(answer.failed).toEqual([]);
    }
    expect(elsewhere).toMatchObject({ status: 409, referenced: [], failed: [{ uid: uids[0], reason: 0xa900 }] });
    await expectKept(folder, study);
  });

  it('its command stores files', async () => {
    const folder = writeStudy(smallPhantom({ uidSalt: 'stow-command', slices: 3 }));
    const files = filesOf(folder);
    const command = join(python, '..', 'dicomweb_client');
    const stored = await run(command, ['--url', url, 'store', 'instances', ...files]);
    expect(stored.code, stored.stderr).toBe(0);
    await expectKept(folder, studyOf(files[0]));
  });

  it('curl sends a file alone, and several, of known and unknown length', async () => {
    const folder = writeStudy(smallPhantom({ uidSalt: 'stow-curl', slices: 4 }));
    const files = filesOf(folder);
    const [alone = '', ...others] = files;
    const curl = async (...args: string[]): Promise<{ status: string; answer: DicomJson }> => {
      const out = join(newFolder('curl'), 'answer.json');
      const { code, stdout, stderr } = await run('curl', [
        '-s',
        '-o',
        out,
        '-w',
        '%{http_code}',
        ...args,
        `${url}/studies`,
      ]);
      expect(code, stderr).toBe(0);
      return { status: stdout, answer: JSON.parse(readFileSync(out, 'utf8')) as DicomJson };
    };
    const one = await curl('-H', 'Content-Type: application/dicom', '--data-binary', `@${alone}`);
    expect([one.status, one.answer['00081199']?.Value?.length]).toEqual(['200', 1]);

    const boundary = 'curl-boundary';
    const body = join(newFolder('curl'), 'body');
    const head = Buffer.from(`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`);
    const parts = others.flatMap((path) => [head, readFileSync(path), Buffer.from('\r\n')]);
    writeFileSync(body, Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]));
    const type = `Content-Type: multipart/related; type="application/dicom"; boundary=${boundary}`;
    for (const transfer of [[], ['-H', 'Transfer-Encoding: chunked'], ['-H', 'Expect: 100-continue']]) {
      const several = await curl('-H', type, ...transfer, '--data-binary', `@${body}`);
      expect([several.status, several.answer['00081199']?.Value?.length]).toEqual(['200', others.length]);
    }
    await expectKept(folder, studyOf(alone));
  });

  it("Orthanc's DICOMweb client sends a study", async (context) => {
    const started = await orSkip(() => startOrthanc({ dicomweb: { servers: { callosum: url } } }));
    if (!started.server) return context.skip(started.missing);
    orthanc = started.server;
    const ct = testData('studies', 'ct-chest');
    const folder = ct ?? writeStudy(smallPhantom({ uidSalt: 'stow-orthanc', slices: 8 }));
    const files = filesOf(folder);
    const ids: string[] = [];
    for (const file of files) ids.push((await orthanc.rest<{ ID: string }>('/instances', readFileSync(file))).ID);
    await orthanc.rest('/dicom-web/servers/callosum/stow', { Resources: ids, Synchronous: true });
    await expectKept(folder, studyOf(files[0]));
  });

  const codecs = testData('codecs');
  it.skipIf(codecs === undefined).each(['part', 'metadata', 'neither'])(
    'pydicom sends metadata and bulk data of every transfer syntax, which is said by the %s',
    async (said) => {
      // Little-endian ones: pydicom gives native values as the file has them, and bulk data is little-endian.
      const folder = newFolder('stow-metadata');
      for (const path of filesOf(codecs ?? '')) {
        const { transferSyntax } = parseFile(readFileSync(path));
        if (transferSyntax.uid === ExplicitVRLittleEndian || isEncapsulated(transferSyntax.uid))
          cpSync(path, join(folder, basename(path)));
      }
      const { instances, differences } = await peer<{ instances: number; differences: string[] }>(
        'metadata',
        url,
        folder,
        said,
      );
      expect(differences).toEqual([]);
      expect(instances).toBe(filesOf(folder).length);
      expect(instances).toBeGreaterThan(20);
    },
  );

  it('what was stored as metadata is found, and its objects are named by their own UIDs alone', async () => {
    const json = {
      '00080016': { vr: 'UI', Value: ['1.2.840.10008.5.1.4.1.1.7'] },
      '00080018': { vr: 'UI', Value: ['2.25.4711.1'] },
      '0020000D': { vr: 'UI', Value: ['2.25.4711'] },
      '0020000E': { vr: 'UI', Value: ['2.25.4711.2'] },
      '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Ångström^Zoë', Ideographic: '山田^太郎' }] },
      '00100020': { vr: 'LO', Value: ['STOW-JSON'] },
      '00080060': { vr: 'CS', Value: ['OT'] },
    };
    const answer = await fetch(`${url}/studies/2.25.4711`, {
      method: 'POST',
      headers: { 'content-type': 'application/dicom+json' },
      body: JSON.stringify([json]),
    });
    expect(answer.status).toBe(200);
    await expect
      .poll(() => qido(system.httpUrl, 'studies?PatientID=STOW-JSON'), { timeout: 20_000, interval: 200 })
      .toHaveLength(1);
    const [study] = await qido(system.httpUrl, 'studies?PatientID=STOW-JSON');
    expect(textAt(study, '0020000D')).toBe('2.25.4711');
    expect(study?.['00100010']?.Value).toEqual([{ Alphabetic: 'Ångström^Zoë', Ideographic: '山田^太郎' }]);
  });
});
