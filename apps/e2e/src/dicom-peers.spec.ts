import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { storageSopClasses } from '@callosum/dicom';
import { readPart10, storeFiles } from '@callosum/dimse';
import { type Orthanc, testDataPath } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Callosum } from './harness/callosum.js';
import { folderOf } from './harness/dicomweb.js';
import { filesOf, firstOfEachUid, keptOf } from './harness/equal.js';
import { judge } from './harness/judge.js';
import { judgeOrthanc, startWithOrthanc, type SystemWithOrthanc, upload } from './harness/orthanc.js';
import { python, root } from './harness/paths.js';
import { type Finished, run } from './harness/processes.js';
import { smallPhantom, writeStudy } from './harness/studies.js';

let both: SystemWithOrthanc;
let system: Callosum;
let orthanc: Orthanc;
beforeAll(async () => {
  both = await startWithOrthanc('dicom-peers', ['E2E', 'PYNETDICOM'], { CALLOSUM_DIMSE_OPERATIONS_MAX: '8' });
  ({ system, orthanc } = both);
});
afterAll(() => both.stop());

const dcmtk = (program: string, ...words: string[]): Promise<Finished> =>
  run(program, words, { env: { TCP_NODELAY: '1' }, timeoutMs: 60_000 });
const peer = (): string[] => ['-aet', 'E2E', '-aec', 'CALLOSUM', '127.0.0.1', String(system.dimsePort)];
const to = (port: number, calledAet: string) => ({ host: '127.0.0.1', port, calledAet, callingAet: 'E2E' });

/** Each file is kept, equal element by element. */
async function expectKept(files: readonly string[]): Promise<void> {
  const sent = folderOf(files.map((file) => readFileSync(file)));
  expect(await judge('kept', sent, await keptOf(system, files))).toMatchObject({
    instances: files.length,
    differences: [],
  });
}

const codecs = testDataPath('codecs') ?? '';
/** By the option that lets storescu propose it. */
const syntaxes = [
  ['-xi', 'ct-implicit-le'],
  ['-xe', 'ct-explicit-le'],
  ['-xb', 'ct-explicit-be'],
  ['-xd', 'ct-deflated'],
  ['-xr', 'ct-rle'],
  ['-xy', 'ct-jpeg-baseline-8bit'],
  ['-xx', 'ct-jpeg-extended-12bit'],
  ['-xs', 'ct-jpeg-lossless-sv1'],
  ['-xt', 'ct-jpegls-lossless'],
  ['-xu', 'ct-jpegls-near'],
  ['-xv', 'ct-j2k-lossless'],
  ['-xw', 'ct-j2k-lossy'],
  ['-xm', 'video-mpeg2-mp-ml'],
  ['-xn', 'video-h264-hp41'],
] as const;
/** HTJ2K and deflated frames: younger than Debian's DCMTK and Orthanc. */
const tooYoung = new Set(
  ['201', '202', '203'].map((end) => `1.2.840.10008.1.2.4.${end}`).concat('1.2.840.10008.1.2.8.1'),
);

const videos = codecs === '' ? [] : filesOf(codecs).filter((file) => basename(file).startsWith('video-'));
/** What Orthanc sends: nothing of it may fall out unseen. */
const sentByClass = {
  'MR Image Storage': 5,
  'Enhanced MR Image Storage': 1,
  'Ultrasound Image Storage': 1,
  'Ultrasound Multi-frame Image Storage': 2,
  'Secondary Capture Image Storage': 9,
  'Video Endoscopic Image Storage': 2,
  '12-lead ECG Waveform Storage': 1,
  'Encapsulated PDF Storage': 1,
  'Basic Text SR Storage': 1,
  'Comprehensive SR Storage': 1,
  'Comprehensive 3D SR Storage': 1,
  'Key Object Selection Document Storage': 1,
  'Grayscale Softcopy Presentation State Storage': 1,
  'Segmentation Storage': 1,
};
const classNames = new Map(storageSopClasses.map(({ uid, name }) => [uid, name]));
async function countsByClass(files: readonly string[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const file of files) {
    const { sopClassUid } = await readPart10(readFileSync(file));
    const name = classNames.get(sopClassUid) ?? sopClassUid;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

describe('DCMTK', () => {
  it('echoscu is answered', async () => {
    expect(await dcmtk('echoscu', ...peer())).toMatchObject({ code: 0 });
  });

  it.skipIf(codecs === '')('storescu sends each transfer syntax it knows, and all are kept equal', async () => {
    const files: string[] = [];
    for (const [option, name] of syntaxes) {
      const file = join(codecs, `${name}.dcm`);
      const sent = await dcmtk('storescu', '-R', option, ...peer(), file);
      expect(sent.code, `${name}: ${sent.stderr}`).toBe(0);
      files.push(file);
    }
    await expectKept(files);
  });

  it.skipIf(codecs === '')('dcmsend sends compressed and uncompressed ones in one go, each as it is', async () => {
    const files = await firstOfEachUid(
      // It writes those in Explicit VR Little Endian before it sends them; storescu has sent them as they are.
      filesOf(codecs).filter(
        (file) => file.includes('/mr-') && !/-(implicit-le|explicit-be|deflated)\.dcm$/.test(file),
      ),
      tooYoung,
    );
    expect(files.length).toBeGreaterThan(8);
    const sent = await dcmtk('dcmsend', '--decompress-never', ...peer(), ...files);
    expect(sent.code, sent.stderr).toBe(0);
    await expectKept(files);
  });
});

describe('pynetdicom', () => {
  it('sends a phantom with as many requests at a time as the window has', async () => {
    const files = filesOf(writeStudy(smallPhantom({ uidSalt: 'window', slices: 48 })));
    const sent = await run(python, [join(root, 'apps/e2e/peers/store_window.py'), String(system.dimsePort), ...files]);
    expect(sent.code, sent.stderr).toBe(0);
    const { window, atOnce, statuses } = JSON.parse(sent.stdout) as {
      window: number[];
      atOnce: number;
      statuses: Record<string, number>;
    };
    expect(window).toEqual([8, 1]);
    expect(atOnce).toBe(8);
    expect(Object.values(statuses)).toEqual(files.map(() => 0));
    await expectKept(files);
  });
});

describe('Orthanc', () => {
  const some = (count: number, ...parts: string[]): string[] => {
    const folder = testDataPath(...parts);
    return folder === undefined ? [] : filesOf(folder).slice(0, count);
  };

  it('answers C-ECHO, and is answered', async () => {
    await orthanc.rest('/modalities/callosum/echo', {});
    expect((await dcmtk('echoscu', '-aec', 'ORTHANC', '127.0.0.1', String(orthanc.port))).code).toBe(0);
  });

  it.skipIf(codecs === '')(
    'sends to the node: images, video, reports, segmentations and waveforms arrive equal',
    async () => {
      const all = [
        ...some(4, 'studies', 'mr-t1'),
        ...some(3, 'studies', 'us'),
        ...some(1, 'studies', 'ecg'),
        ...some(6, 'results', 'reference-highdicom'),
        ...some(4, 'results', 'pydicom'),
        ...some(30, 'codecs', 'pydicom'),
        ...videos,
      ];
      // Of these DCMTK, which it is built on, writes another VR of Pixel Data (rightly), and drops what follows it.
      const corrected = ['SC_rgb_rle_16bit.dcm', 'us-single-rgb.dcm'];
      const files = await firstOfEachUid(
        all.filter((file) => !corrected.some((name) => file.endsWith(name))),
        tooYoung,
      );
      expect(await countsByClass(files)).toEqual(sentByClass);
      const ids = await upload(orthanc, files);
      const job = await orthanc.rest<{ FailedInstancesCount: number; InstancesCount: number }>(
        '/modalities/callosum/store',
        { Resources: ids, Synchronous: true },
      );
      expect(job).toMatchObject({ FailedInstancesCount: 0, InstancesCount: files.length });
      await expectKept(files);
    },
  );

  it.skipIf(codecs === '')('takes what we send it, every codec it knows and private attributes', async () => {
    const files = await firstOfEachUid(
      [...some(5, 'studies', 'ct-chest'), ...some(40, 'codecs'), ...some(20, 'charsets')],
      tooYoung,
    );
    expect(files.length).toBeGreaterThan(40);
    const outcomes = await storeFiles({ ...to(orthanc.port, orthanc.aet), files });
    expect(outcomes.filter(({ status }) => status !== 0)).toEqual([]);
    expect(await judgeOrthanc(orthanc, files)).toMatchObject({ instances: files.length, differences: [] });
  });
});
