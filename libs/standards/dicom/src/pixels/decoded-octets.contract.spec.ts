import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { testDataPath } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ExplicitVRLittleEndian,
  imagePixel,
  JPEG2000Lossless,
  JPEGLSLossless,
  parseFile,
  RLELossless,
  transcodeFrame,
} from '../index.js';
import { dcmtk } from '../../test-support/dcmtk.js';
import { fileOf, imageElements, noise } from '../../test-support/objects.js';
import { python } from '../../test-support/pydicom-render.js';
import { storedFrames } from '../../test-support/stored-frames.js';

const run = promisify(execFile);

const jpegExtended = '1.2.840.10008.1.2.4.51';
/** What pydicom decodes by Pillow, pyjpegls and itself; DCMTK decodes JPEG Extended for it. */
const judged: ReadonlySet<string> = new Set([
  RLELossless,
  JPEGLSLossless,
  JPEG2000Lossless,
  '1.2.840.10008.1.2.4.50',
  jpegExtended,
  '1.2.840.10008.1.2.4.81',
  '1.2.840.10008.1.2.4.91',
]);
/** Of a code stream that Pillow does not read. */
const notRead = 'GDCMJ2K_TextGBR.dcm';

interface Judgement {
  readonly path: string;
  /** Of one sample. */
  readonly most: number;
}
interface Entry {
  readonly file: string;
}
const manifestPath = testDataPath('codecs', 'manifest.json');
const manifest = manifestPath === undefined ? [] : (JSON.parse(readFileSync(manifestPath, 'utf8')) as Entry[]);

describe.skipIf(manifest.length === 0 || python.missing !== undefined || dcmtk.missing !== undefined)(
  'octets of a decoded frame',
  () => {
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'callosum-octets-'));
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    /** An object whose colour lies by plane as its attributes say, which no code stream does by itself. */
    async function byPlane(): Promise<string> {
      const elements = imageElements({ rows: 9, columns: 7, samples: 3, bits: 8, planar: 1 });
      const image = imagePixel(parseFile(fileOf(elements)).dataset);
      const native = { bytes: noise(189), transferSyntaxUid: ExplicitVRLittleEndian, image };
      const { bytes } = await transcodeFrame(native, RLELossless);
      const fragments = [new Uint8Array(0), Buffer.concat([bytes, Buffer.alloc(bytes.length % 2)])];
      const path = join(folder, 'by-plane.dcm');
      await writeFile(path, fileOf({ ...elements, '7FE00010': { vr: 'OB', fragments } }, RLELossless));
      return path;
    }

    it('are what others decode, lossy ones too, read by nothing but the attributes of the object', async () => {
      const paths = manifest.map(({ file }) => testDataPath('codecs', file) ?? '');
      const pairs: string[] = [];
      const syntaxes = new Set<string>();
      for (const [at, path] of [await byPlane(), ...paths].entries()) {
        const parsed = parseFile(readFileSync(path));
        const { uid } = parsed.transferSyntax;
        if (!judged.has(uid) || path.endsWith(notRead) || imagePixel(parsed.dataset).frames !== 1) continue;
        const [frame] = storedFrames(parsed);
        if (!frame) throw new Error('one frame');
        const given = join(folder, `${String(at)}.octets`);
        await writeFile(given, (await transcodeFrame(frame, ExplicitVRLittleEndian)).bytes);
        const decoded = join(folder, `${String(at)}.dcm`);
        if (uid === jpegExtended) await run('dcmdjpeg', ['+cn', path, decoded]);
        pairs.push(uid === jpegExtended ? decoded : path, given);
        syntaxes.add(uid);
      }
      expect(syntaxes).toEqual(judged);
      const script = join(import.meta.dirname, '../../test-support/pydicom_octets.py');
      const { stdout } = await run(python.server ?? '', [script, ...pairs]);
      const answers = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Judgement);
      expect(answers).toHaveLength(pairs.length / 2);
      // An inverse DCT may round to either side.
      expect(answers.filter(({ most }) => most > 1)).toEqual([]);
    });
  },
);
