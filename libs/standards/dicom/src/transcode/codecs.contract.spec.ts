import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { MissingPrerequisite, orSkip, testDataPath } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  decodeFrames,
  DeflatedExplicitVRLittleEndian,
  ExplicitVRBigEndian,
  ExplicitVRLittleEndian,
  HTJ2KLossless,
  ImplicitVRLittleEndian,
  JPEG2000Lossless,
  JPEGLossless,
  JPEGLSLossless,
  parseFile,
  RLELossless,
  transcode,
  type ParsedFile,
} from '../index.js';
import { linesOf, sourceOf, transcoded } from '../../test-support/objects.js';

const run = promisify(execFile);
const natives = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian];
const compressed = [RLELossless, JPEGLossless, JPEGLSLossless, JPEG2000Lossless, HTJ2KLossless];
const names = new Map([
  [ImplicitVRLittleEndian, 'implicit'],
  [ExplicitVRLittleEndian, 'explicit'],
  [ExplicitVRBigEndian, 'big'],
  [DeflatedExplicitVRLittleEndian, 'deflated'],
  [RLELossless, 'rle'],
  [JPEGLossless, 'jpeg'],
  [JPEGLSLossless, 'jls'],
  [JPEG2000Lossless, 'j2k'],
  [HTJ2KLossless, 'htj2k'],
]);

/** Python with pydicom, pyjpegls and Pillow: CALLOSUM_TEST_PYTHON, else python3; and DCMTK. */
const judges = await orSkip(async () => {
  await run('dcmdump', ['--version']).catch(() => {
    throw new MissingPrerequisite('DCMTK is not installed', 'apt-get install dcmtk');
  });
  for (const candidate of [process.env['CALLOSUM_TEST_PYTHON'], 'python3']) {
    const check = ['-c', 'import pydicom, jpeg_ls, PIL'];
    if (
      candidate &&
      (await run(candidate, check).then(
        () => true,
        () => false,
      ))
    )
      return candidate;
  }
  throw new MissingPrerequisite(
    'pydicom is not installed',
    'pip install highdicom==0.28.2, and CALLOSUM_TEST_PYTHON=<python>',
  );
});

const manifest = testDataPath('codecs', 'manifest.json');
/** Every kind of samples: signed and unsigned words, colour by pixel and by plane, odd sizes, many frames. */
const sources =
  manifest === undefined
    ? []
    : (JSON.parse(readFileSync(manifest, 'utf8')) as { file: string }[]).map(({ file }) => file);
const videos = sources.filter((file) => file.startsWith('video-'));
const images = sources.filter((file) => !videos.includes(file));
const bytesOf = (file: string): Uint8Array => readFileSync(testDataPath('codecs', file) ?? '');

/** Which images a compressed syntax refuses, and why: everything else must be given. */
function isRefused(file: ParsedFile, to: string): boolean {
  const { dataset } = file;
  const [bits, samples] = [dataset.number('00280100') ?? 0, dataset.number('00280002') ?? 1];
  const isSignedByte = bits === 8 && dataset.number('00280103') === 1;
  if (bits === 1) return true;
  if (to === RLELossless) return false;
  if (bits === 32) return true;
  if (to !== JPEG2000Lossless && to !== HTJ2KLossless) return false;
  return (
    (samples === 3 && bits === 16) ||
    isSignedByte ||
    (to === HTJ2KLossless && /^YBR_FULL/.test(dataset.string('00280004') ?? ''))
  );
}

const changing = [
  '00280004',
  '00280006',
  '00282110',
  '00282114',
  '7FE00001',
  '7FE00002',
  '7FE00003',
  '7FE00008',
  '7FE00010',
];

const samplesDigest = async (file: Uint8Array | ParsedFile): Promise<string> => {
  const hash = createHash('sha256');
  for (const { samples } of await decodeFrames(file)) hash.update(new Uint8Array(Int32Array.from(samples).buffer));
  return hash.digest('hex');
};

describe.skipIf(manifest === undefined || judges.missing !== undefined)('every image of the test data', () => {
  let folder: string;
  /** What was written, with the digest its pixels must have. */
  const written: { readonly path: string; readonly to: string; readonly digest: string }[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'callosum-transcode-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(images)('%s has the same pixels and the same other attributes in every syntax, and back', async (name) => {
    const bytes = bytesOf(name);
    const source = parseFile(bytes);
    const digest = await samplesDigest(source);
    const lines = linesOf(source.dataset, { vr: false, without: changing });
    for (const to of [...natives, ...compressed]) {
      if (compressed.includes(to) && to !== source.transferSyntax.uid && isRefused(source, to)) {
        await expect(transcoded(bytes, to), `${name} to ${to}`).rejects.toMatchObject({
          code: 'dicom.transcode.unfit',
        });
        continue;
      }
      const out = await transcoded(bytes, to);
      const there = parseFile(out);
      expect(there.transferSyntax.uid).toBe(to);
      expect(await samplesDigest(there), `${name} to ${to}`).toBe(digest);
      expect(linesOf(there.dataset, { vr: false, without: changing }), `${name} to ${to}`).toEqual(lines);
      const back = parseFile(await transcoded(out, ExplicitVRLittleEndian));
      expect(await samplesDigest(back), `${name} to ${to} and back`).toBe(digest);
      // What is given as stored was written by others.
      if (to === source.transferSyntax.uid) continue;
      const path = join(folder, `${name.replace(/\W/g, '_')}.${names.get(to) ?? ''}`);
      await writeFile(path, out);
      written.push({ path, to, digest });
    }
  });

  it('is read by pydicom and DCMTK to the same pixels', async () => {
    expect(written.length).toBeGreaterThan(images.length * natives.length);
    const byPath = new Map<string, string>();
    for (const { path, to, digest } of written) {
      // Nothing in pydicom's reach decodes JPEG Lossless: DCMTK does, and pydicom reads what it wrote.
      const readable = to === JPEGLossless ? `${path}.decoded` : path;
      if (to === JPEGLossless) await run('dcmdjpeg', ['+cn', path, readable]);
      byPath.set(readable, digest);
    }
    const script = join(import.meta.dirname, '../../test-support/pydicom_pixels.py');
    const { stdout } = await run(judges.server ?? '', [script, ...byPath.keys()], { maxBuffer: 64 * 1024 * 1024 });
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { path: string; pixels?: string; error?: string });
    const wrong = answers.filter(({ path, pixels }) => pixels !== byPath.get(path));
    expect(wrong).toEqual([]);
    expect(answers).toHaveLength(written.length);
    for (const { path } of written) await run('dcmdump', ['-q', path], { maxBuffer: 64 * 1024 * 1024 });
  });
});

describe.skipIf(manifest === undefined)('videos', () => {
  it.each(videos)('%s is given as stored only', async (file) => {
    const source = sourceOf(bytesOf(file));
    const { uid } = parseFile(bytesOf(file)).transferSyntax;
    await expect(transcode(source, { to: [...natives, ...compressed] })).rejects.toMatchObject({
      code: 'dicom.transcode.undecodable',
    });
    expect((await transcode(source, { to: [ImplicitVRLittleEndian, uid] })).transferSyntaxUid).toBe(uid);
  });
});

describe.skipIf(manifest === undefined)('objects that were compressed with loss', () => {
  it.each(['ct-jpeg-baseline-8bit.dcm', 'ct-jpeg-extended-12bit.dcm', 'ct-jpegls-near.dcm', 'ct-j2k-lossy.dcm'])(
    '%s say so in every syntax',
    async (file) => {
      const source = parseFile(bytesOf(file)).dataset;
      for (const to of [ImplicitVRLittleEndian, JPEGLSLossless]) {
        const { dataset } = parseFile(await transcoded(bytesOf(file), to));
        expect(dataset.string('00282110')).toBe('01');
        expect(dataset.string('00282114')).toMatch(/^ISO_/);
        expect(dataset.strings('00282112')).toEqual(source.strings('00282112'));
        expect(dataset.string('00080018')).toBe(source.string('00080018'));
      }
    },
  );
});

const studies = ['ct-chest', 'mr-t1', 'ct-head-phantom'].flatMap((study) => testDataPath('studies', study) ?? []);

describe.skipIf(studies.length === 0 || judges.missing !== undefined)('private attributes of real objects', () => {
  it('are the same for pydicom in every syntax that keeps VRs', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'callosum-private-'));
    try {
      const paths: string[] = [];
      for (const study of studies) {
        const { stdout } = await run('find', [study, '-type', 'f', '-size', '-3000k']);
        const [path] = stdout.trim().split('\n').sort();
        if (path === undefined) continue;
        paths.push(path);
        for (const to of [ExplicitVRLittleEndian, JPEGLSLossless, JPEG2000Lossless]) {
          const out = join(folder, `${String(paths.length)}.dcm`);
          await writeFile(out, await transcoded(await readFile(path), to));
          paths.push(out);
        }
      }
      const script = join(import.meta.dirname, '../../test-support/pydicom_pixels.py');
      const { stdout } = await run(judges.server ?? '', [script, ...paths], { maxBuffer: 64 * 1024 * 1024 });
      const answers = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { private: string[]; pixels: string });
      for (let i = 0; i < answers.length; i += 4) {
        for (const { private: found, pixels } of answers.slice(i + 1, i + 4)) {
          expect(found).toEqual(answers[i]?.private);
          expect(pixels).toBe(answers[i]?.pixels);
        }
      }
      expect(answers.some(({ private: found }) => found.length > 10)).toBe(true);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
