// Runs in its own thread. It imports packages only, so that Node can also run it as TypeScript in tests.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { parentPort } from 'node:worker_threads';
import dcmjsCodecs from 'dcmjs-codecs';
import type { CodecReply, CodecTask, DecodeJob, EncodeJob, PictureJob } from './codec-jobs.js';

const { NativeCodecs, Context } = dcmjsCodecs;
const initialized = initialize();

parentPort?.on('message', (task: CodecTask) => {
  void run(task).then((reply) => {
    parentPort?.postMessage(reply, 'bytes' in reply ? [reply.bytes.buffer as ArrayBuffer] : []);
  });
});

/** What the memory of the codecs may be at most, for the job at hand. */
let memoryBytesMax = Infinity;
/** The codecs' memory before any job. */
let memoryBytesMin = 0;
/** What was reckoned is what is resident: gaps between what is in use come beside, and are not. */
const gaps = 2;

/**
 * Compiles the codecs, with an eye on their memory. A code stream says in a few bytes that it is gigabytes, and not all say
 * it where a header is looked at before (JPEG XL, a JP2 with several): the codec would take them, up to 2 GiB a thread.
 * Memory that has grown has no pages yet, so who is stopped then has taken none of it. What is thrown leaves the module as it
 * is, somewhere in the middle: the thread ends with its job.
 */
async function initialize(): Promise<void> {
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = async (binary, imports) => {
    let memory: WebAssembly.Memory | undefined;
    const onGrowth = (): void => {
      const grownTo = memory?.buffer.byteLength ?? 0;
      if (grownTo > memoryBytesMax) throw new Error('it takes more memory than its frame may');
    };
    const made = await instantiate(binary, {
      ...imports,
      env: { ...imports['env'], emscripten_notify_memory_growth: onGrowth },
    });
    ({ memory } = made.instance.exports);
    memoryBytesMin = memory.buffer.byteLength;
    return made;
  };
  try {
    await NativeCodecs.initializeAsync({});
  } finally {
    WebAssembly.instantiate = instantiate;
  }
}

async function run({ job, memoryBytes }: CodecTask): Promise<CodecReply> {
  try {
    await initialized;
    memoryBytesMax = memoryBytesMin + gaps * memoryBytes;
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
  const [columns, rows] = [decoded.getWidth() ?? 0, decoded.getHeight() ?? 0];
  const byteCount = image.rows * image.columns * image.samplesPerPixel * Math.ceil(image.bitsAllocated / 8);
  // Some codecs repeat the size they were told, and give what the stream has. The memory of a larger one is not what was
  // reckoned, and samples cut out of it would be another image: the thread must not live on with it.
  if (columns !== image.columns || rows !== image.rows || bytes.length > byteCount)
    return { error: 'it is not of the size the dataset states' };
  return { bytes: new Uint8Array(bytes), columns, rows };
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
