import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';

import {
  decodeFrames,
  decodeStoredFrame,
  encodedSyntaxes,
  imagePixel,
  type ImagePixel,
  isEncapsulated,
  parseFile,
  pixelDataLayout,
} from '@callosum/dicom';
import { multipartParts } from '@callosum/testing';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { launchChromium, type Picture } from './harness/browser.js';
import { Callosum } from './harness/callosum.js';
import { codecObjects, type StoredObject } from './harness/codec-objects.js';
import { stow } from './harness/dicomweb.js';
import { newFolder, python, root, testData } from './harness/paths.js';
import { run } from './harness/processes.js';
import { isSlice, Reader } from './harness/viewer.js';

interface ManifestEntry {
  readonly file: string;
  readonly transfer_syntax: string;
  readonly lossy: boolean;
  readonly sha256_of_pixels_as_int32le: string | null;
}

const explicitVrLittleEndian = '1.2.840.10008.1.2.1';
/** Its digest is of RGB; octets are given as they are stored. */
const subsampled = 'SC_ybr_full_422_uncompressed.dcm';
/** The same code streams decoded elsewhere give the same samples for these; JPEG's inverse DCT may round differently. */
const isExact = ({ lossy, file }: ManifestEntry): boolean => !lossy || /jpegls-near|j2k-lossy|jls_lossy/.test(file);

/** Nothing that is published says what its samples are: other decoders do. */
const isOfNoDigest = (entry: ManifestEntry): boolean => entry.sha256_of_pixels_as_int32le === null || !isExact(entry);

const digestOf = (all: readonly ArrayLike<number>[]): string => {
  const hash = createHash('sha256');
  for (const samples of all) hash.update(new Uint8Array(Int32Array.from(samples).buffer));
  return hash.digest('hex');
};

/**
 * What a page makes of frames as it gets them from dicomweb-client: octets to samples, and these to the digest that the
 * manifest of the test data has (SHA-256 of them as 32-bit integers, colour by pixel).
 */
const inThePage = `async ({ url, uids, count, image, planes }) => {
  const client = new DICOMwebClient.api.DICOMwebClient({ url });
  const frames = await client.retrieveInstanceFrames({
    ...uids,
    frameNumbers: Array.from({ length: count }, (_, i) => i + 1),
    mediaTypes: [{ mediaType: 'application/octet-stream', transferSyntaxUID: '${explicitVrLittleEndian}' }],
  });
  const kinds = { 8: [Uint8Array, Int8Array], 16: [Uint16Array, Int16Array], 32: [Uint32Array, Int32Array] };
  const pixels = image.rows * image.columns;
  const samplesOf = (octets) => {
    if (image.bitsAllocated !== 1) return new kinds[image.bitsAllocated][image.pixelRepresentation](octets);
    const bytes = new Uint8Array(octets);
    return Uint8Array.from({ length: pixels }, (_, i) => (bytes[i >> 3] >> (i & 7)) & 1);
  };
  const byPixel = (samples) =>
    planes
      ? Array.from(samples, (_, i) => samples[(i % image.samplesPerPixel) * pixels + Math.floor(i / image.samplesPerPixel)])
      : samples;
  const parts = frames.map((octets) => Int32Array.from(byPixel(samplesOf(octets))));
  const all = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', all));
  return { count: frames.length, digest: Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('') };
}`;

/** Digests of frames as they are stored, as OHIF asks for them: compressed ones come under the type of their syntax. */
const storedInThePage = `async ({ url, uids, count }) => {
  const client = new DICOMwebClient.api.DICOMwebClient({ url });
  const frames = await client.retrieveInstanceFrames({
    ...uids,
    frameNumbers: Array.from({ length: count }, (_, i) => i + 1),
    mediaTypes: [{ mediaType: 'application/octet-stream', transferSyntaxUID: '*' }],
  });
  const digestOf = async (octets) =>
    Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', octets)), (byte) =>
      byte.toString(16).padStart(2, '0'),
    ).join('');
  return Promise.all(frames.map(digestOf));
}`;

/** The fragments of each frame, joined. */
const storedFramesOf = (bytes: Uint8Array): Buffer[] =>
  pixelDataLayout(bytes).frames.map((ranges) =>
    Buffer.concat(ranges.map(({ offset, byteCount }) => bytes.subarray(offset, offset + byteCount))),
  );

const manifestPath = testData('codecs', 'manifest.json');
const manifest = manifestPath === undefined ? [] : (JSON.parse(readFileSync(manifestPath, 'utf8')) as ManifestEntry[]);
const images = manifest.filter(({ file }) => !file.startsWith('video-'));
const nameOf = ({ file }: ManifestEntry): string => file.split('/').at(-1) ?? '';

describe.skipIf(manifest.length === 0)('frames of every transfer syntax', () => {
  let system: Callosum;
  let browser: Browser;
  let page: Page;
  let objects: ReadonlyMap<string, StoredObject>;
  const named = (name: string): StoredObject => {
    const object = objects.get(name);
    if (!object) throw new Error(`${name} is not in the test data`);
    return object;
  };
  const imageOf = (bytes: Uint8Array): ImagePixel => imagePixel(parseFile(bytes).dataset);

  beforeAll(async () => {
    system = await Callosum.start('frames', { worker: false });
    objects = await codecObjects();
    const { status } = await stow(
      system.httpUrl,
      [...objects.values()].map(({ bytes }) => bytes),
    );
    expect(status).toBe(200);
    browser = await launchChromium();
    page = await (await browser.newContext({ bypassCSP: true })).newPage();
    await page.goto(system.httpUrl);
    await page.addScriptTag({ path: join(root, 'node_modules/dicomweb-client/build/dicomweb-client.js') });
  });
  afterAll(async () => {
    await browser.close();
    await system.stop();
  });

  it.each(images.map((entry) => [entry.file, entry] as const))(
    'come to a page as octets of the very pixels: %s',
    async (_, entry) => {
      const { bytes, study, series, instance } = named(nameOf(entry));
      const image = imageOf(bytes);
      const answer = await page.evaluate<{ count: number; digest: string }>(
        `(${inThePage})(${JSON.stringify({
          url: `${system.httpUrl}/dicom-web`,
          uids: { studyInstanceUID: study, seriesInstanceUID: series, sopInstanceUID: instance },
          count: image.frames,
          image,
          // By what metadata say: nothing of how they are stored. Colour transforms are undone, and have no planes.
          planes: image.planarConfiguration === 1 && !/^YBR_(RCT|ICT)$/.test(image.photometricInterpretation),
        })})`,
      );
      expect(answer.count).toBe(image.frames);
      const { sha256_of_pixels_as_int32le: published } = entry;
      if (nameOf(entry) === subsampled) {
        const stored = parseFile(bytes).dataset.bytes('PixelData') ?? new Uint8Array();
        expect(answer.digest).toBe(digestOf([stored]));
      } else if (!isOfNoDigest(entry)) expect(answer.digest).toBe(published);
      else expect(answer.digest).toBe(digestOf((await decodeFrames(bytes)).map(({ samples }) => samples)));
    },
  );

  // Videos too, each of which is one stream.
  it.each(
    manifest.filter((entry) => isEncapsulated(entry.transfer_syntax)).map((entry) => [entry.file, entry] as const),
  )('come to a page as they are stored: %s', async (_, entry) => {
    const { bytes, study, series, instance } = named(nameOf(entry));
    const stored = storedFramesOf(bytes);
    const digests = await page.evaluate<string[]>(
      `(${storedInThePage})(${JSON.stringify({
        url: `${system.httpUrl}/dicom-web`,
        uids: { studyInstanceUID: study, seriesInstanceUID: series, sopInstanceUID: instance },
        count: stored.length,
      })})`,
    );
    expect(digests).toEqual(stored.map((frame) => createHash('sha256').update(frame).digest('hex')));
  });

  /** What others make of a frame: DCMTK of JPEG, OpenJPEG of HTJ2K, zlib of deflated ones. Octets, colour by pixel. */
  async function judgedOctets({ path, bytes }: StoredObject, syntax: string): Promise<Uint8Array> {
    const out = join(newFolder('judge'), 'out');
    if (syntax === '1.2.840.10008.1.2.8.1') return inflateRawSync(storedFramesOf(bytes)[0] ?? Buffer.alloc(0));
    const isJpeg = syntax.startsWith('1.2.840.10008.1.2.4.5');
    const { code, stderr } = isJpeg
      ? await run('dcmdjpeg', ['+cn', '+px', path, out])
      : await run(python, [join(root, 'apps/e2e/peers/decode_htj2k.py'), path, out]);
    expect(code, stderr.slice(-2000)).toBe(0);
    const made = readFileSync(out);
    return isJpeg ? (parseFile(made).dataset.bytes('PixelData') ?? new Uint8Array()) : made;
  }

  // Decoders of JPEG may round its inverse DCT differently, and so may those of a wavelet with loss.
  it.each(images.filter(isOfNoDigest).map((entry) => [entry.file, entry] as const))(
    'are what others decode, within a level: %s',
    async (_, entry) => {
      const object = named(nameOf(entry));
      const accept = `application/octet-stream; transfer-syntax=${explicitVrLittleEndian}`;
      const answer = await fetch(`${system.httpUrl}/dicom-web/${object.resource}/frames/1`, { headers: { accept } });
      expect(answer.status).toBe(200);
      const { bitsAllocated } = imageOf(object.bytes);
      const samplesOf = (octets: Uint8Array): ArrayLike<number> =>
        bitsAllocated === 16 ? new Uint16Array(new Uint8Array(octets).buffer) : octets;
      const octets = new Uint8Array(await answer.arrayBuffer());
      const samples = samplesOf(octets);
      const judged = samplesOf((await judgedOctets(object, entry.transfer_syntax)).subarray(0, octets.length));
      expect(judged.length).toBe(samples.length);
      let greatest = 0;
      for (let i = 0; i < samples.length; i++)
        greatest = Math.max(greatest, Math.abs((samples[i] ?? 0) - (judged[i] ?? 0)));
      expect(greatest).toBeLessThanOrEqual(entry.lossy ? 1 : 0);
    },
  );

  const mediaTypes: Readonly<Record<string, string>> = {
    '1.2.840.10008.1.2.5': 'image/dicom-rle',
    '1.2.840.10008.1.2.4.70': 'image/jpeg',
    '1.2.840.10008.1.2.4.80': 'image/jls',
    '1.2.840.10008.1.2.4.90': 'image/jp2',
    '1.2.840.10008.1.2.4.201': 'image/jphc',
  };

  it.each(
    encodedSyntaxes.flatMap((to) =>
      ['ct-explicit-be', 'mr-j2k-lossless', 'ct-mf-no-bot'].map((name) => [to, name] as const),
    ),
  )('are given without loss in another one: %s of %s', async (to, name) => {
    const { bytes, resource } = named(`${name}.dcm`);
    const image = imageOf(bytes);
    const list = Array.from({ length: image.frames }, (_, i) => i + 1).join();
    const accept = `multipart/related; type="${mediaTypes[to] ?? ''}"; transfer-syntax=${to}`;
    const answer = await fetch(`${system.httpUrl}/dicom-web/${resource}/frames/${list}`, { headers: { accept } });
    expect(answer.status).toBe(200);
    const parts = multipartParts(answer.headers.get('content-type') ?? '', Buffer.from(await answer.arrayBuffer()));
    const decoded = [];
    for (const part of parts) {
      expect(part.contentType).toContain(to);
      const stored = { bytes: new Uint8Array(part.bytes), transferSyntaxUid: to, image };
      decoded.push((await decodeStoredFrame(stored)).samples);
    }
    const entry = images.find((one) => nameOf(one) === `${name}.dcm`);
    expect(digestOf(decoded)).toBe(entry?.sha256_of_pixels_as_int32le);
  });

  it('are refused where a syntax cannot hold them, and video is as it is stored', async () => {
    const status = async (name: string, accept: string): Promise<number> => {
      const answer = await fetch(`${system.httpUrl}/dicom-web/${named(name).resource}/frames/1`, {
        headers: { accept },
      });
      await answer.arrayBuffer();
      return answer.status;
    };
    const of = (type: string, syntax: string): string => `multipart/related; type="${type}"; transfer-syntax=${syntax}`;
    expect(await status('SC_rgb_rle_32bit.dcm', of('image/jls', '1.2.840.10008.1.2.4.80'))).toBe(406);
    expect(await status('SC_rgb_rle_16bit.dcm', of('image/jp2', '1.2.840.10008.1.2.4.90'))).toBe(406);
    expect(await status('liver_deflate.dcm', of('image/jls', '1.2.840.10008.1.2.4.80'))).toBe(406);
    expect(await status('video-h264-hp41.dcm', of('application/octet-stream', explicitVrLittleEndian))).toBe(406);
    expect(await status('video-h264-hp41.dcm', 'multipart/related; type="video/mp4"')).toBe(200);
  });

  /** The object in a study of its own: UIDs end in other digits. */
  function alone({ bytes, study, series, instance }: StoredObject, number: number): [bytes: Buffer, study: string] {
    const other = (uid: string): string => uid.slice(0, -2) + String(10 + number);
    let text = bytes.toString('latin1');
    for (const uid of [instance, series, study]) text = text.replaceAll(uid, other(uid));
    return [Buffer.from(text, 'latin1'), other(study)];
  }

  describe('in the viewer', () => {
    let reader: Reader;
    let plain: Picture;
    const drawn = async (name: string, number: number): Promise<Picture> => {
      const [bytes, study] = alone(named(name), number);
      expect((await stow(system.httpUrl, [bytes])).status).toBe(200);
      await reader.open(study);
      return reader.sees(`a slice of ${name}`, isSlice);
    };

    beforeAll(async () => {
      reader = await Reader.sit(browser, `${system.httpUrl}/viewer`);
      plain = await drawn('ct-explicit-le.dcm', 0);
    });
    afterAll(() => reader.context.close());

    it.each([
      ['ct-rle.dcm', 1, '1.2.840.10008.1.2.5'],
      ['ct-jpeg-lossless-sv1.dcm', 2, '1.2.840.10008.1.2.4.70'],
      ['ct-jpegls-lossless.dcm', 3, '1.2.840.10008.1.2.4.80'],
      ['ct-j2k-lossless.dcm', 4, '1.2.840.10008.1.2.4.90'],
      ['ct-htj2k-lossless.dcm', 5, '1.2.840.10008.1.2.4.201'],
    ])('are drawn as they are stored, and look like others: %s', async (name, number, syntax) => {
      const given: string[] = [];
      reader.context.on('response', (response) => {
        if (response.url().includes('/frames/')) given.push(response.headers()['content-type'] ?? '');
      });
      const { contrast } = await drawn(name, number);
      expect(Math.abs(contrast - plain.contrast)).toBeLessThan(1);
      expect(given).not.toEqual([]);
      for (const type of given) expect(type).toContain(mediaTypes[syntax]);
      expect(reader.failures).toEqual([]);
    });
  });

  it('needs no person afterwards: nothing failed on the server', () => {
    expect(system.logs()).not.toMatch(/dicomweb\.failed|dicomweb\.answer-cut/);
  });
});
