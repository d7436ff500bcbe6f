// Runs in its own thread. It imports packages only, so that Node can also run it as TypeScript in tests.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { parentPort } from 'node:worker_threads';
import dcmjsCodecs from 'dcmjs-codecs';
import type { CodecJob, CodecReply, DecodeJob, EncodeJob, PictureJob } from './codec-jobs.js';

const { NativeCodecs, Context } = dcmjsCodecs;
const initialized = NativeCodecs.initializeAsync({});

parentPort?.on('message', (job: CodecJob) => {
  void run(job).then((reply) => {
    parentPort?.postMessage(reply, 'bytes' in reply ? [reply.bytes.buffer as ArrayBuffer] : []);
  });
});

async function run(job: CodecJob): Promise<CodecReply> {
  try {
    await initialized;
    switch (job.kind) {
      case 'decode':
        return decode(job);
      case 'encode':
        return encode(job);
      case 'picture':
        // Encoders do not count what they are given: behind too few samples lie those of others.
        if (job.samples.length !== job.columns * job.rows * job.channels) return { error: 'samples are missing' };
        return job.format === 'jpeg' ? encodeJpeg(job) : await encodeWebp(job);
    }
  } catch (error) {
    return { error: error instanceof Error ? error.message : 'the codec failed' };
  }
}

function decode({ decoder, image, encoded }: Omit<DecodeJob, 'kind'>): CodecReply {
  const context = new Context({ ...image, width: image.columns, height: image.rows, encodedBuffer: encoded });
  // Samples stay in the stored colour space; converting is the reader's business.
  const decoded = NativeCodecs[decoder](context, decoder === 'decodeJpeg' ? { convertColorspaceToRgb: false } : {});
  const bytes = decoded.getDecodedBuffer();
  if (!bytes) return { error: 'the codec gave no samples' };
  return { bytes: new Uint8Array(bytes), columns: decoded.getWidth() ?? 0, rows: decoded.getHeight() ?? 0 };
}

/** Encodes, decodes again and compares: what leaves here is lossless, whatever the encoder made of the samples. */
function encode({ encoder, decoder, image, samples }: EncodeJob): CodecReply {
  const bits = precisionOf(encoder, image, samples);
  const context = new Context({
    ...image,
    width: image.columns,
    height: image.rows,
    // The JPEG-LS encoder takes the precision from here, and the bytes of a sample with it.
    bitsAllocated: encoder === 'encodeJpegLs' ? bits : image.bitsAllocated,
    bitsStored: bits,
    decodedBuffer: samples,
  });
  const encoded = NativeCodecs[encoder](context, { lossy: false }).getEncodedBuffer();
  if (!encoded) return { error: 'the codec gave no code stream' };
  const bytes = new Uint8Array(encoded);
  const again = decode({ decoder, image, encoded: bytes });
  if ('error' in again) return again;
  return { bytes, columns: again.columns, rows: again.rows, isExact: Buffer.compare(again.bytes, samples) === 0 };
}

/** Baseline, Huffman-coded, colour as YCbCr with as many samples of chroma as of luma (PS3.18 8.7.4). */
function encodeJpeg({ quality, columns, rows, channels, samples }: PictureJob): CodecReply {
  const context = new Context({
    width: columns,
    height: rows,
    samplesPerPixel: channels,
    bitsAllocated: 8,
    bitsStored: 8,
    pixelRepresentation: 0,
    planarConfiguration: 0,
    photometricInterpretation: channels === 1 ? 'MONOCHROME2' : 'RGB',
    decodedBuffer: samples,
  });
  const encoded = NativeCodecs.encodeJpeg(context, { lossy: true, quality }).getEncodedBuffer();
  return encoded ? { bytes: new Uint8Array(encoded), columns, rows } : { error: 'the codec gave no file' };
}

type WebpEncoder = typeof import('@jsquash/webp/encode.js').default;
let webp: Promise<WebpEncoder> | undefined;

/** Compiled by the first picture that needs it. */
async function loadWebp(): Promise<WebpEncoder> {
  const { default: encode, init } = await import('@jsquash/webp/encode.js');
  const require = createRequire(import.meta.url);
  const binary = (name: string): Promise<Buffer> => readFile(require.resolve(`@jsquash/webp/codec/enc/${name}.wasm`));
  const fast = await binary('webp_enc_simd');
  // Where the processor has no such instructions, the package takes its other code too.
  await init(await WebAssembly.compile(WebAssembly.validate(fast) ? fast : await binary('webp_enc')));
  return encode;
}

async function encodeWebp({ quality, columns, rows, channels, samples }: PictureJob): Promise<CodecReply> {
  webp ??= loadWebp();
  const encodePicture = await webp;
  const data = rgbaOf(samples, channels);
  const encoded = await encodePicture({ data, width: columns, height: rows, colorSpace: 'srgb' }, { quality });
  return { bytes: new Uint8Array(encoded), columns, rows };
}

function rgbaOf(samples: Uint8Array, channels: 1 | 3): Uint8ClampedArray<ArrayBuffer> {
  const [green, blue] = channels === 1 ? [0, 0] : [1, 2];
  const out = new Uint8ClampedArray((samples.length / channels) * 4);
  for (let at = 0, to = 0; at < samples.length; at += channels, to += 4) {
    out[to] = samples[at] ?? 0;
    out[to + 1] = samples[at + green] ?? 0;
    out[to + 2] = samples[at + blue] ?? 0;
    out[to + 3] = 255;
  }
  return out;
}

/**
 * Bits of a sample in the code stream: Bits Stored, or all of Bits Allocated where a sample uses more (overlays in the
 * high bits, signed samples in JPEG and JPEG-LS, which know no sign). Two bytes a sample need nine bits at least: the
 * codecs take fewer as one byte.
 */
function precisionOf(
  encoder: EncodeJob['encoder'],
  { bitsAllocated, bitsStored, pixelRepresentation }: EncodeJob['image'],
  samples: Uint8Array,
): number {
  const least = bitsAllocated === 16 ? 9 : 2;
  if (bitsStored >= bitsAllocated) return bitsAllocated;
  const bits = Math.max(least, bitsStored);
  const isSigned = pixelRepresentation === 1 && encoder === 'encodeJpeg2000';
  const buffer = samples.buffer as ArrayBuffer;
  const words =
    bitsAllocated === 8
      ? new (isSigned ? Int8Array : Uint8Array)(buffer)
      : new (isSigned ? Int16Array : Uint16Array)(buffer);
  const [min, max] = isSigned ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  return words.every((sample) => sample >= min && sample <= max) ? bits : bitsAllocated;
}
