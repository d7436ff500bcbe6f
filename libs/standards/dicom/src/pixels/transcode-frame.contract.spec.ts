import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { testDataPath } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  decodeFrames,
  encodedSyntaxes,
  JPEGLossless,
  parseFile,
  transcodeFrame,
  type ImagePixel,
  type ParsedFile,
} from '../index.js';
import { dcmtk } from '../../test-support/dcmtk.js';
import { fileOf, imageElements } from '../../test-support/objects.js';
import { python } from '../../test-support/pydicom-render.js';
import { storedFrames } from '../../test-support/stored-frames.js';

const run = promisify(execFile);

/** Of each kind of samples and of each stored syntax, those that every lossless one can hold. */
const sources = [
  'ct-explicit-be.dcm',
  'ct-deflated.dcm',
  'ct-jpegls-near.dcm',
  'ct-mf-fragments-bot.dcm',
  'mr-implicit-le.dcm',
  'mr-jpeg-lossless-sv1.dcm',
  'mr-rle.dcm',
  'pydicom/SC_rgb_rle_2frame.dcm',
  'pydicom/SC_rgb_small_odd_big_endian.dcm',
  'pydicom/GDCMJ2K_TextGBR.dcm',
  'pydicom/HTJ2KLossless_08_RGB.dcm',
  'pydicom/emri_small_jpeg_2k_lossless.dcm',
];
const data = testDataPath('codecs');

const digestOf = async (file: ParsedFile): Promise<string> => {
  const hash = createHash('sha256');
  for (const { samples } of await decodeFrames(file)) hash.update(new Uint8Array(Int32Array.from(samples).buffer));
  return hash.digest('hex');
};

/** An object that is nothing but these frames. */
const wrapped = (image: ImagePixel, frames: readonly Uint8Array[], transferSyntaxUid: string): Uint8Array =>
  fileOf(
    {
      ...imageElements({
        rows: image.rows,
        columns: image.columns,
        frames: frames.length,
        samples: image.samplesPerPixel,
        bits: image.bitsAllocated,
        stored: image.bitsStored,
        signed: image.pixelRepresentation === 1,
        photometric: image.photometricInterpretation,
        ...(image.samplesPerPixel === 1 ? {} : { planar: image.planarConfiguration }),
      }),
      '7FE00010': { vr: 'OB', fragments: [new Uint8Array(0), ...frames] },
    },
    transferSyntaxUid,
  );

describe.skipIf(data === undefined || python.missing !== undefined || dcmtk.missing !== undefined)(
  'frames in the lossless syntaxes',
  () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'callosum-frames-'));
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    it('are read by pydicom and DCMTK to the pixels of the object', async () => {
      const expected = new Map<string, string>();
      for (const name of sources) {
        const file = parseFile(readFileSync(testDataPath('codecs', name) ?? ''));
        const digest = await digestOf(file);
        for (const to of encodedSyntaxes) {
          // What is given as stored was written by others.
          if (to === file.transferSyntax.uid) continue;
          const frames = [];
          for (const frame of storedFrames(file)) frames.push(await transcodeFrame(frame, to));
          const [first] = frames;
          if (!first) throw new Error('one frame');
          const path = join(folder, `${name.replace(/\W/g, '_')}.${to}`);
          const bytes = frames.map((frame) => frame.bytes);
          await writeFile(path, wrapped(first.image, bytes, to));
          // Nothing in pydicom's reach decodes JPEG Lossless: DCMTK does, and pydicom reads what it wrote.
          const readable = to === JPEGLossless ? `${path}.decoded` : path;
          if (to === JPEGLossless) await run('dcmdjpeg', ['+cn', path, readable]);
          expected.set(readable, digest);
        }
      }
      expect(expected.size).toBeGreaterThanOrEqual(sources.length * (encodedSyntaxes.length - 1));
      const script = join(import.meta.dirname, '../../test-support/pydicom_pixels.py');
      const { stdout } = await run(python.server ?? '', [script, ...expected.keys()], { maxBuffer: 64 * 1024 * 1024 });
      const answers = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { path: string; pixels?: string; error?: string });
      expect(answers.filter(({ path, pixels }) => pixels !== expected.get(path))).toEqual([]);
      expect(answers).toHaveLength(expected.size);
    });
  },
);
